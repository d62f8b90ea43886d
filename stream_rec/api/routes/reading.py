"""Reads: a user's recommendations, neighbours of an item, and the lists that are the same for everybody."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from stream_rec.api.answering import Answering
from stream_rec.api.ids import must_be_id
from stream_rec.api.operation import Answer, Call, Caller, Example, Operation, answer
from stream_rec.api.paging import cursor_after, had, left
from stream_rec.api.problem import Problem
from stream_rec.api.shown import Shown
from stream_rec.schemas.records import SlateItem
from stream_rec.schemas.scenario import MAX_K
from stream_rec.sdk.wire import (
    After,
    ExcludedText,
    Filter,
    Items,
    Length,
    Made,
    Properties,
    Recommended,
    Relevance,
    ScenarioName,
    Timeout,
)
from stream_rec.serve.wishes import (
    Limits,
    Ranking,
    Recommendations,
    SimilarWish,
    TopWish,
    UnknownScenario,
    UnknownVariant,
    Wish,
)
from stream_rec.settings import IngestSettings
from stream_rec.store.keys import TopName

ITEMS = [
    {"item_id": "milk", "score": 1.0, "reason": {"source": "popularity"}},
    {"item_id": "bread", "score": 0.5, "reason": {"source": "transitions", "item_id": "milk"}},
]


FieldsText = Annotated[
    str, Meta(max_length=1024, description="fields of items, with commas between them; live servers only")
]


class OfUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of a user's recommendations."""

    scenario: ScenarioName = "default"
    n: Length = 20
    after: After | None = None
    timeout: Timeout = 1.0
    fields: FieldsText = ""
    explain: Annotated[bool, Meta(description="also what the answer was made from")] = False
    shown: (
        Annotated[
            str,
            Meta(
                pattern="^(now|after:[0-9]{1,4})$",
                description="publish that this is shown, now or after N seconds",
            ),
        ]
        | None
    ) = None
    paged: Annotated[bool, Meta(description="give a cursor for the next page")] = False
    cursor: (
        Annotated[
            str, Meta(max_length=8192, description="of the page before: what it held does not come again")
        ]
        | None
    ) = None
    filter: Filter = ""
    exclude: ExcludedText = ""
    min_relevance: Relevance = 0.0
    variant: Annotated[
        str,
        Meta(
            max_length=129,
            description="arm of an experiment, `<arm>` or `<experiment>/<arm>`, whoever the user is; live servers only",
        ),
    ] = ""


class OfItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of an item's neighbours."""

    n: Length = 20
    also: Annotated[
        str, Meta(max_length=65_536, description="further items, separated by commas; live servers only")
    ] = ""
    user_id: Annotated[
        str | None, Meta(description="whose taste counts too, by user_impact; live servers only")
    ] = None
    user_impact: Annotated[float, Meta(ge=0, le=1, description="0 = the item alone, 1 = the user alone")] = (
        0.5
    )
    scenario: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_.-]{0,64}$",
            description="whose filter holds; none = the default one's beside `filter`; live servers only",
        ),
    ] = ""
    filter: Filter = ""
    exclude: ExcludedText = ""
    min_relevance: Relevance = 0.0
    after: After | None = None
    timeout: Timeout = 1.0
    fields: FieldsText = ""


class OfList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of a list."""

    n: Length = 20
    tag: Annotated[str, Meta(max_length=1024, description="only items with this tag")] = ""
    after: After | None = None
    timeout: Timeout = 1.0
    fields: FieldsText = ""


class Place(NamedTuple):
    """A position in the topic `events`."""

    partition: int
    offset: int


def place(text: str | None) -> Place | None:
    """Of `partition:offset`."""
    return Place(*map(int, text.split(":"))) if text is not None else None


def limits(query: OfUser | OfItem) -> Limits:
    """What of an answer is wanted."""
    return Limits(query.filter, split(query.exclude), query.min_relevance)


def split(text: str) -> tuple[str, ...]:
    """Ids that are separated by commas."""
    return tuple([each for each in text.split(",") if each])


def may_speak_of(caller: Caller, user_id: str, where: str) -> None:
    """Refuse what a browser key asks about others than its visitor, whom it names there.

    Raises:
        Problem: it does.
    """
    if caller.visitor is not None and caller.visitor != user_id:
        raise Problem(
            "forbidden",
            "a browser key reads its own visitor's only",
            where=where,
            fix="ask for the user that the visitor token was made for",
        )


def recommended(found: Recommendations, user_id: str, scenario: str, *, explain: bool) -> Recommended:
    """An answer as it goes on the wire."""
    slate = found.slate
    made = Made(slate.as_of, slate.model, slate.created_ts, slate.relaxed) if slate and explain else None
    if slate is None:
        return Recommended(user_id, scenario, found.items, found.origin, stale=found.stale)
    return Recommended(
        user_id,
        scenario,
        found.items,
        found.origin,
        slate.slate_id,
        found.stale,
        made,
        experiment=slate.experiment,
        variant=slate.variant,
    )


async def properties(
    answering: Answering, items: Sequence[SlateItem], fields: Sequence[str]
) -> dict[str, Properties] | None:
    """These fields of items; None = none are asked for."""
    if not fields:
        return None
    return dict(await answering.properties([each.item_id for each in items], fields))


class Reading:
    """The routes.

    Args:
        answering: reads.
        shown: publishes impressions.
        rules: what an id may be.
    """

    def __init__(self, answering: Answering, shown: Shown, rules: IngestSettings) -> None:
        self._answering = answering
        self._shown = shown
        self._rules = rules

    async def recommendations(self, call: Call) -> Answer:
        """A user's."""
        query: OfUser = call.query
        user_id = call.path["user_id"]
        may_speak_of(call.caller, user_id, "path user_id")
        must_be_id(user_id, "path user_id", self._rules)
        if query.shown and not call.caller.may_publish:
            raise Problem(
                "forbidden", "`shown` writes, and the key only reads", where="query shown", fix=_PUBLISH
            )
        is_paged = query.paged or query.cursor is not None
        wish = Wish(
            user_id,
            query.scenario,
            MAX_K if is_paged else query.n,
            place(query.after),
            query.timeout,
            (),
            limits(query),
            query.variant,
        )
        try:
            found = await self._answering.recommendations(wish)
        except UnknownScenario as error:
            raise Problem("not-found", error.message, where="query scenario", fix=error.fix) from None
        except UnknownVariant as error:
            raise Problem("not-found", error.message, where="query variant", fix=error.fix) from None
        cursor = None
        if is_paged:
            found, cursor = await self._page(found, wish, query)
        given = recommended(found, user_id, query.scenario, explain=query.explain)
        if fields := split(query.fields):
            known = await properties(self._answering, given.items, fields)
            given = msgspec.structs.replace(given, properties=known)
        if query.explain and found.items:
            ids = [each.item_id for each in found.items]
            given = msgspec.structs.replace(
                given, why=await self._answering.why(user_id, ids, query.scenario)
            )
        if cursor is not None:
            given = msgspec.structs.replace(given, cursor=cursor)
        return answer(await self._noted(given, found, query.shown) if query.shown else given)

    async def _page(
        self, found: Recommendations, wish: Wish, query: OfUser
    ) -> tuple[Recommendations, str | None]:
        """What the reader has not had yet; when the slate ends, what stands in its place elsewhere."""
        before, n = had(query.cursor or ""), query.n
        items = left(found.items, before)
        if len(items) <= n and found.origin in ("personal", "session"):
            own = {each.item_id for each in items}
            others = left(await self._answering.beyond(wish), before)
            items += [each for each in others if each.item_id not in own]
        page, has_more = items[:n], len(items) > n
        return dataclasses.replace(found, items=tuple(page)), cursor_after(before, page) if has_more else None

    async def _noted(self, given: Recommended, found: Recommendations, when: str) -> Recommended:
        """The answer, with its impression under way."""
        if not given.items:
            return given
        impression = self._shown.impression(found, given.user_id, given.scenario)
        given = msgspec.structs.replace(given, slate_id=impression.slate_id)
        if when == "now":
            return msgspec.structs.replace(given, shown=await self._shown.now(impression))
        self._shown.later(impression, float(when.partition(":")[2]))
        return given

    async def similar(self, call: Call) -> Answer:
        """An item's neighbours."""
        item_id = call.path["item_id"]
        must_be_id(item_id, "path item_id", self._rules)
        query: OfItem = call.query
        items = (*split(query.also), item_id)
        wish = SimilarWish(
            items,
            query.n,
            query.user_id,
            query.user_impact,
            query.scenario,
            limits(query),
            place(query.after),
            query.timeout,
        )
        return answer(await self._listed(await self._answering.similar(wish), query.fields))

    async def popular(self, call: Call) -> Answer:
        """The list of this name."""
        return await self._top("popular", call)

    async def trending(self, call: Call) -> Answer:
        """The list of this name."""
        return await self._top("trending", call)

    async def new(self, call: Call) -> Answer:
        """The list of this name."""
        return await self._top("new", call)

    async def _top(self, name: TopName, call: Call) -> Answer:
        query: OfList = call.query
        wish = TopWish(name, query.n, query.tag, place(query.after), query.timeout)
        return answer(await self._listed(await self._answering.top(wish), query.fields))

    async def _listed(self, found: Ranking, fields: str) -> Items:
        return Items(found.items, found.stale, await properties(self._answering, found.items, split(fields)))

    def operations(self) -> Iterator[Operation]:
        """All of them."""
        problems = ("refused", "unavailable", "misconfigured")
        shared: dict[str, Any] = {"scope": "read", "problems": problems}
        found = {"user_id": "ann", "scenario": "default", "items": ITEMS, "origin": "personal"}
        items = {200: Example("best first; empty = nothing is known", Items, {"items": ITEMS})}
        yield Operation(
            "GET",
            "/v1/users/{user_id:id}/recommendations",
            self.recommendations,
            "What to show to a user; for a user without a slate, what is popular.",
            {200: Example("best first", Recommended, {**found, "slate_id": "50cff9bf5b19b2d5-0"})},
            query=OfUser,
            browser="visitor",
            scope="read",
            problems=(*problems, "not-found", "queue-full", "not-set-up", "needs-live"),
        )
        yield Operation(
            "GET",
            "/v1/items/{item_id:id}/similar",
            self.similar,
            "Items like this one.",
            items,
            query=OfItem,
            **{**shared, "problems": (*shared["problems"], "not-found", "needs-live")},
        )
        for name, run in (("popular", self.popular), ("trending", self.trending), ("new", self.new)):
            yield Operation(
                "GET",
                f"/v1/lists/{name}",
                run,
                _LISTS[name],
                items,
                query=OfList,
                **{**shared, "problems": (*problems, "needs-live")},
            )


_PUBLISH = "use a key with the scope publish too"
_LISTS = {
    "popular": "What is popular now, of all items or of a tag's.",
    "trending": "Items that are gaining interactions, of all or of a tag's.",
    "new": "The latest additions to the catalogue, or to a tag.",
}
