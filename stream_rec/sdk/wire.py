"""What goes over HTTP, for both ends: bodies of requests and of answers.

One file, though a long one: the forms refer to each other, and the reference in docs/http.md is read beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from stream_rec.schemas.records import DEFAULT_SCENARIO, AsOf, SlateItem
from stream_rec.schemas.scenario import Scenario

Origin = Literal["personal", "scenario", "session", "popular", "none"]
Properties = dict[str, Any]
"""Of an item: fields of its record, and named attributes."""
Id = Annotated[str, Meta(min_length=1, max_length=65_536)]
Length = Annotated[int, Meta(ge=1, le=200, description="items, at most")]
After = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,5}:([0-9]{1,18}|-1)$",
        description="partition:offset of an event that the answer should know; it is waited for",
    ),
]
Timeout = Annotated[
    float,
    Meta(ge=0, le=5, description="seconds of that wait; then the present answer is given, marked stale"),
]
ScenarioName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="which of the user's slates")
]


Filter = Annotated[
    str,
    Meta(
        max_length=2000,
        description="CEL over an item's columns (docs/rules.md): only items that it is true of; live servers only",
    ),
]
Relevance = Annotated[
    float,
    Meta(
        ge=0, le=1, description="least share of the best item's odds: rather fewer items; live servers only"
    ),
]
FieldNames = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...], Meta(max_length=32)]
Excluded = Annotated[tuple[Id, ...], Meta(max_length=200)]
_EXCLUDED = "ids of items that are not wanted, separated by commas; live servers only"
ExcludedText = Annotated[str, Meta(max_length=65_536, description=_EXCLUDED)]


class Written(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record that Kafka has acknowledged.

    Attributes:
        partition: of the topic.
        offset: in that partition; `after=partition:offset` on a read waits for it. -1 = Kafka has it, and does not say
            where (its first acknowledgement was lost): what is read after that is marked stale.
        left_out: fields that could not be used, with the reason: the rest was taken.
    """

    partition: int
    offset: int
    left_out: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a record of a batch.

    Attributes:
        status: what it would have been answered with alone: 202, 422, 429 or 503.
        partition, offset: as `Written`; not given = it was not acknowledged.
        left_out: as `Written`.
        detail: what is wrong.
        reason: code as in dead letters; empty = it is not the record's fault.
        fix: what to do about it.
    """

    status: int
    partition: int | None = None
    offset: int | None = None
    left_out: tuple[str, ...] = ()
    detail: str = ""
    reason: str = ""
    fix: str = ""


class Batch(msgspec.Struct, frozen=True):
    """What became of a batch.

    Attributes:
        accepted: records that Kafka has acknowledged.
        refused: all others.
        results: in the order of the batch.
    """

    accepted: int
    refused: int
    results: tuple[Result, ...]


class Made(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an answer was made from.

    Attributes:
        as_of: up to which event it knows, and which decision on `control`.
        model: version of the engine and its settings.
        created_ts: when, seconds since the epoch.
        relaxed: the rule that gave way, since it left nothing to show.
    """

    as_of: AsOf
    model: str
    created_ts: float
    relaxed: str | None = None


class Why(msgspec.Struct, frozen=True):
    """What made an item's score.

    Attributes:
        item_id: the item.
        by_source: what each source adds; their sum is the score. Empty = no source brings the item up.
        rules: what each rule of the scenario says of it.
    """

    item_id: str
    by_source: dict[str, float]
    rules: Sequence[str]


class Recommended(msgspec.Struct, frozen=True, omit_defaults=True):
    """Recommendations.

    Attributes:
        user_id: whose.
        scenario: where they are to be shown.
        items: best first; what may not be shown is left out.
        origin: `personal` = the user's slate; `session` = from the session's items; `popular`; `none` = nothing may
            be shown, or nothing has been learned yet.
        slate_id: for impressions; not given = not personal.
        stale: the event given as `after` was not learned in time.
        made: with `explain`.
        properties: with `fields`: of each item, what its record says.
        shown: with `shown=now`: where the impression stands.
        cursor: with `paged` or `cursor`: for the next page; not given = this was the last.
        why: with `explain`, from a live server: what made the scores, item by item.
        experiment: whose arm made the slate; for impressions. Not given = of none.
        variant: the arm; for impressions.
    """

    user_id: str
    scenario: str
    items: Sequence[SlateItem]
    origin: Origin
    slate_id: str | None = None
    stale: bool = False
    made: Made | None = None
    properties: dict[str, Properties] | None = None
    shown: Written | None = None
    cursor: str | None = None
    why: Sequence[Why] = ()
    experiment: str | None = None
    variant: str | None = None


class Items(msgspec.Struct, frozen=True, omit_defaults=True):
    """A list of items, best first; in Python it is such a list, too.

    Attributes:
        items: best first.
        stale: it is not certain that the answer knows the event given as `after`.
        properties: with `fields`: of each item, what its record says.
    """

    items: Sequence[SlateItem]
    stale: bool = False
    properties: dict[str, Properties] | None = None

    def __iter__(self) -> Iterator[SlateItem]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: int) -> SlateItem:
        return self.items[place]


class SessionWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A running session of nobody in particular.

    Attributes:
        items: what it was about, latest last; the latest 10 count (live: as many as of a user's history).
        negatives: what it was not about; neither these nor what is like them is wanted.
        n: items, at most.
        scenario: whose rules hold.
        filter: CEL: only items that it is true of; live servers only.
        exclude: ids of items that are not wanted; live servers only.
        min_relevance: least share of the best item's odds; live servers only.
        after: an event that the answer should know, `partition:offset`; it is waited for.
        timeout: of that wait, in seconds.
        fields: fields of items, to be given too; live servers only.
    """

    items: Annotated[tuple[Id, ...], Meta(max_length=200)]
    negatives: Annotated[tuple[Id, ...], Meta(max_length=200)] = ()
    n: Length = 20
    scenario: ScenarioName = DEFAULT_SCENARIO
    filter: Filter = ""
    exclude: Excluded = ()
    min_relevance: Relevance = 0.0
    after: After | None = None
    timeout: Timeout = 1.0
    fields: FieldNames = ()


class SessionItems(msgspec.Struct, frozen=True, omit_defaults=True):
    """What fits a session.

    Attributes:
        items: best first.
        origin: `session`; `scenario` = what a scenario with rules shows newcomers; `popular` = nothing connects the
            session's items; `none` = nothing may be shown, or nothing has
            been learned yet.
        stale: it is not certain that the answer knows the event given as `after`.
        properties: with `fields`: of each item, what its record says.
    """

    items: Sequence[SlateItem]
    origin: Origin
    stale: bool = False
    properties: dict[str, Properties] | None = None


class PageRail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One slate of a page.

    Attributes:
        scenario: which.
        n: items, at most.
    """

    scenario: ScenarioName = DEFAULT_SCENARIO
    n: Length = 20


class PageWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several slates of one user.

    Attributes:
        user_id: whose.
        rails: from the top: an item stands where it comes first.
        after: an event that all of them should know, `partition:offset`; it is waited for.
        timeout: of that wait, in seconds.
        explain: also what they were made from.
        filter: CEL: only items that it is true of; live servers only.
        exclude: ids of items that are not wanted; live servers only.
        fields: fields of items, to be given too; live servers only.
    """

    user_id: Id
    rails: Annotated[tuple[PageRail, ...], Meta(min_length=1, max_length=20)]
    after: After | None = None
    timeout: Timeout = 1.0
    explain: bool = False
    filter: Filter = ""
    exclude: Excluded = ()
    fields: FieldNames = ()


class PageAnswer(msgspec.Struct, frozen=True):
    """A page; no item is in two of its slates."""

    rails: Sequence[Recommended]


class RankWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items to be put in order.

    Attributes:
        items: ids.
        user_id: for whom; not given = for the session.
        session: what the session was about, latest last.
        scenario: whose filter and boosts hold.
        after: an event that the order should know, `partition:offset`; it is waited for.
        timeout: of that wait, in seconds.
        filter: CEL: only items that it is true of.
        exclude: ids of items that are not wanted.
        min_relevance: least share of the best item's odds.
        fields: fields of items, to be given too.
    """

    items: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=1000)]
    user_id: Id | None = None
    session: Annotated[tuple[Id, ...], Meta(max_length=200)] = ()
    scenario: ScenarioName = DEFAULT_SCENARIO
    after: After | None = None
    timeout: Timeout = 1.0
    filter: Filter = ""
    exclude: Excluded = ()
    min_relevance: Relevance = 0.0
    fields: FieldNames = ()


class RankAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Items in order.

    Attributes:
        items: best first. What may not be shown is left out; what the engine does not know (reason `unknown`) is last,
            in the order given.
        stale: the event given as `after` was not learned in time.
        properties: with `fields`: of each item, what its record says.
    """

    items: Sequence[SlateItem]
    stale: bool = False
    properties: dict[str, Properties] | None = None


class VectorName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose vector in which space.

    Attributes:
        space: of vectors.
        item_id: the item.
    """

    space: str
    item_id: str


class ForgottenStore(msgspec.Struct, frozen=True):
    """What became of a user in one store.

    Attributes:
        name: of the store.
        removed: what was removed, in words.
        waits: what is still there, in words; empty = nothing.
        until: when that is gone, seconds since the epoch; 0 = nothing waits, or it is not known.
    """

    name: str
    removed: str
    waits: str
    until: float


class Forgotten(msgspec.Struct, frozen=True):
    """A receipt (docs/privacy.md).

    Attributes:
        user_hash: the name that the decision has.
        offset: of the decision on `control`; -1 = a dry run.
        ts: when it was decided, seconds since the epoch.
        workers: how many have answered.
        silent: live workers that have not answered in time: ask again.
        stores: what was removed, and what waits.
    """

    user_hash: str
    offset: int
    ts: float
    workers: int
    silent: Sequence[str]
    stores: Sequence[ForgottenStore]


class MergeWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who a user was before.

    Attributes:
        visitor_id: the user_id of before.
    """

    visitor_id: str


class InForce(msgspec.Struct, frozen=True):
    """A scenario.

    Attributes:
        offset: of its record on `control`; -1 = none, it is the settings'.
        ts: when it was decided, seconds since the epoch.
        by: who decided it.
        note: why.
        scenario: what differs from the defaults (docs/control.md).
    """

    offset: int
    ts: float
    by: str
    note: str
    scenario: Scenario | None


class Applied(msgspec.Struct, frozen=True, omit_defaults=True):
    """A decision.

    Attributes:
        offset: on `control`; `made.as_of.rules` of a slate is at least this once it knows it. -1 = nothing changed.
        warnings: of a scenario: each rule that asks for what no item of the catalogue has.
    """

    offset: int
    warnings: tuple[str, ...] = ()


class LagLine(msgspec.Struct, frozen=True):
    """One partition.

    Attributes:
        topic: without the tenant's prefix.
        partition: of that topic.
        end: the next offset to be written.
        committed: the next offset that the workers will handle; null = they have committed nothing.
        lag: records that they have still to handle.
    """

    topic: str
    partition: int
    end: int
    committed: int | None
    lag: int


class Lags(msgspec.Struct, frozen=True):
    """All partitions.

    Attributes:
        total: of their lags.
        partitions: line by line.
    """

    total: int
    partitions: Sequence[LagLine]


class VisitorWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who a token is for.

    Attributes:
        user_id: a user who has signed in; not given = a new visitor.
        key_id: of the browser key that the token goes with; not given = the caller's own.
    """

    user_id: str | None = None
    key_id: str | None = None


class Visitor(msgspec.Struct, frozen=True):
    """A visitor, and how he proves it.

    Attributes:
        user_id: the visitor's, in events and reads.
        token: for the header X-Visitor-Token, or the parameter `visitor`.
        until: when it ends, seconds since the epoch.
    """

    user_id: str
    token: str
    until: int


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem on the wire.

    Attributes:
        type: of the problem, `urn:stream-rec:problem:<kind>`: stable.
        title: the same for every occurrence.
        status: of the answer.
        detail: what it was this time.
        where: the part of the request: `query n`, `body 3.ts`, `header Authorization`.
        fix: what to do about it.
        reason: of a record: the code as in dead letters (schemas/README.md).
        request_id: as in the header X-Request-Id and in the log.
    """

    type: str
    title: str
    status: int
    detail: str = ""
    where: str = ""
    fix: str = ""
    reason: str = ""
    request_id: str = ""
