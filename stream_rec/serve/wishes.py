"""What is asked of a client or a server, and what comes back: one form for reads of Redis and for live servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from stream_rec.errors import ConfigError, StreamRecError
from stream_rec.schemas.records import DEFAULT_SCENARIO, Slate, SlateItem
from stream_rec.schemas.shown import ShownSlate
from stream_rec.sdk.wire import Origin
from stream_rec.store.keys import TopName


class UnknownScenario(ConfigError):
    """Workers write slates, but none of this scenario; the fix names those there are."""


class UnknownVariant(ConfigError):
    """No experiment has such an arm in this scenario now; the fix names those there are."""


class Busy(StreamRecError):
    """As many requests wait for an engine as may."""


class Position(Protocol):
    """Position of an event in the topic `events`; the publisher's Ack is one."""

    @property
    def partition(self) -> int:
        """Its partition."""
        ...

    @property
    def offset(self) -> int:
        """Its offset there."""
        ...


@dataclass(frozen=True, slots=True)
class Recommendations:
    """An answer.

    Attributes:
        items: best first, removed items left out.
        origin: `personal` = the user's slate; `scenario` = what a scenario with rules shows whoever has none; `session`
            = from the session's items; `popular`; `none` = nothing may be shown, or Redis holds nothing for this tenant
            yet, and `items` is empty.
        stale: whether it lacks the event given as `after`: that was not learned in time.
        slate: as written, removed items included; for impressions (`slate_id`). None = not personal.
    """

    items: tuple[SlateItem, ...]
    origin: Origin
    stale: bool
    slate: Slate | None

    def as_shown(self, scenario: str = DEFAULT_SCENARIO, slate_id: str = "") -> ShownSlate:
        """As it is shown.

        Args:
            scenario: where.
            slate_id: of an answer that is no slate of the user's.
        """
        slate = self.slate
        if slate is None:
            return ShownSlate(self.items, slate_id, scenario)
        return ShownSlate(self.items, slate.slate_id, scenario, slate.variant, slate.experiment)


@dataclass(frozen=True, slots=True)
class Limits:
    """What of an answer is wanted; only a live server keeps to it.

    Attributes:
        filter: CEL over an item's columns, true for what may be shown; "" = everything.
        exclude: ids of items that are not wanted.
        min_relevance: least share of the best item's odds; 0 = any.
    """

    filter: str = ""
    exclude: Sequence[str] = ()
    min_relevance: float = 0.0

    def __bool__(self) -> bool:
        """Is there any."""
        return bool(self.filter or self.exclude or self.min_relevance)


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Wish:
    """Arguments of `recommendations`.

    Attributes:
        user_id: the user.
        scenario: which of the user's slates.
        k: items, at most.
        after: an event that the slate should know.
        timeout_seconds: of the wait for such a slate.
        session: items of the running session, latest last.
        limits: what is wanted.
        variant: `<experiment>/<arm>` or `<arm>`, whoever the user is; "" = the arm that the user is in. Only a live
            server keeps to it.
    """

    user_id: str
    scenario: str
    k: int
    after: Position | None
    timeout_seconds: float
    session: Sequence[str]
    limits: Limits = NO_LIMITS
    variant: str = ""


class Rail(NamedTuple):
    """One slate of a page.

    Attributes:
        scenario: which.
        k: items, at most.
    """

    scenario: str
    k: int


@dataclass(frozen=True, slots=True)
class PageWish:
    """Arguments of `page`.

    Attributes:
        user_id: the user.
        rails: the page's slates, from the top.
        after: an event that all of them should know.
        timeout_seconds: of the wait for such slates.
        limits: what is wanted.
    """

    user_id: str
    rails: Sequence[Rail]
    after: Position | None
    timeout_seconds: float
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class SessionWish:
    """Arguments of `session`.

    Attributes:
        items: what the session was about, latest last.
        negatives: what it was not about: neither these nor what is like them is wanted.
        k: items, at most.
        scenario: whose rules hold.
        limits: what is wanted.
        after: an event that the answer should know.
        timeout_seconds: of the wait for it.
    """

    items: Sequence[str]
    negatives: Sequence[str]
    k: int
    scenario: str = DEFAULT_SCENARIO
    limits: Limits = NO_LIMITS
    after: Position | None = None
    timeout_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SimilarWish:
    """Arguments of `similar`.

    Attributes:
        items: that the others should be like, the one that counts most last.
        k: items, at most.
        user_id: whose taste counts beside; None = nobody's.
        user_impact: how much, from 0 to 1.
        scenario: whose filter holds; "" = none's, or the default scenario's beside that of a request.
        limits: what is wanted.
        after: an event that the answer should know.
        timeout_seconds: of the wait for it.
    """

    items: Sequence[str]
    k: int
    user_id: str | None = None
    user_impact: float = 0.0
    scenario: str = ""
    limits: Limits = NO_LIMITS
    after: Position | None = None
    timeout_seconds: float = 0.0

    @property
    def is_plain(self) -> bool:
        """One item's neighbours, and nothing else."""
        return len(self.items) == 1 and self.user_id is None and not self.limits and not self.scenario


@dataclass(frozen=True, slots=True)
class TopWish:
    """One of the lists that are the same for everybody.

    Attributes:
        name: which.
        k: items, at most.
        tag: only items with this tag; "" = all.
        after: an event that the list should know.
        timeout_seconds: of the wait for it.
    """

    name: TopName
    k: int
    tag: str = ""
    after: Position | None = None
    timeout_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RankWish:
    """Arguments of `rank`.

    Attributes:
        items: to be put in order.
        user_id: for whom; None = for the session.
        session: what it was about, latest last.
        scenario: whose filter and boosts hold.
        after: an event that the order should know.
        timeout_seconds: of the wait for it.
        limits: what is wanted.
    """

    items: Sequence[str]
    user_id: str | None
    session: Sequence[str]
    scenario: str = DEFAULT_SCENARIO
    after: Position | None = None
    timeout_seconds: float = 1.0
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class ProfileWish:
    """Whose profile is asked for.

    Attributes:
        user_id: the user.
        n: items of the history, at most.
        after: an event that it should know.
        timeout_seconds: of the wait for it.
    """

    user_id: str
    n: int
    after: Position | None = None
    timeout_seconds: float = 0.0


class Ranking(NamedTuple):
    """Items in order.

    Attributes:
        items: best first.
        stale: whether it lacks, or may lack, the event given as `after`.
    """

    items: tuple[SlateItem, ...]
    stale: bool
