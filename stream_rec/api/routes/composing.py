"""Reads with a body: recommendations for a session, whole pages, and an order for given items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stream_rec.api.answering import Answering
from stream_rec.api.body import read_json
from stream_rec.api.operation import Answer, Call, Example, Operation, answer
from stream_rec.api.problem import Problem
from stream_rec.api.routes.reading import (
    ITEMS,
    After,
    Items,
    Length,
    Recommended,
    ScenarioName,
    Timeout,
    may_speak_of,
    place,
    recommended,
)
from stream_rec.schemas.records import DEFAULT_SCENARIO, SlateItem
from stream_rec.schemas.validation import required
from stream_rec.serve.answers import Origin, PageWish, Rail, SessionWish, UnknownScenario
from stream_rec.settings import IngestSettings

Id = Annotated[str, Meta(min_length=1, max_length=65_536)]


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A running session of nobody in particular.

    Attributes:
        items: what it was about, latest last; the latest 10 count.
        negatives: what it was not about; neither these nor what is like them is wanted.
        n: items, at most.
    """

    items: Annotated[tuple[Id, ...], Meta(max_length=200)]
    negatives: Annotated[tuple[Id, ...], Meta(max_length=200)] = ()
    n: Length = 20


class SessionItems(msgspec.Struct, frozen=True):
    """What fits a session.

    Attributes:
        items: best first.
        origin: `session`; `popular` = nothing connects the session's items; `none` = nothing has been learned yet.
    """

    items: Sequence[SlateItem]
    origin: Origin


class PageRail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One slate of a page.

    Attributes:
        scenario: which.
        n: items, at most.
    """

    scenario: ScenarioName = DEFAULT_SCENARIO
    n: Length = 20


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several slates of one user.

    Attributes:
        user_id: whose.
        rails: from the top: an item stands where it comes first.
        after: an event that all of them should know, `partition:offset`; it is waited for.
        timeout: of that wait, in seconds.
        explain: also what they were made from.
    """

    user_id: Id
    rails: Annotated[tuple[PageRail, ...], Meta(min_length=1, max_length=20)]
    after: After | None = None
    timeout: Timeout = 1.0
    explain: bool = False


class PageAnswer(msgspec.Struct, frozen=True):
    """A page; no item is in two of its slates."""

    rails: Sequence[Recommended]


class Ranking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items to be put in order.

    Attributes:
        items: ids.
        user_id: for whom; not given = for the session.
        session: what the session was about, latest last.
    """

    items: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=1000)]
    user_id: Id | None = None
    session: Annotated[tuple[Id, ...], Meta(max_length=200)] = ()


class Composing:
    """The routes.

    Args:
        answering: reads.
        rules: what an id may be.
    """

    def __init__(self, answering: Answering, rules: IngestSettings) -> None:
        self._answering = answering
        self._rules = rules
        self._read_session = msgspec.json.Decoder(Session).decode
        self._read_page = msgspec.json.Decoder(Page).decode
        self._read_ranking = msgspec.json.Decoder(Ranking).decode

    async def session(self, call: Call) -> Answer:
        """For a session; nothing of it is stored."""
        wanted = read_json(call.body, self._read_session)
        for item_id in (*wanted.items, *wanted.negatives):
            required("an item", item_id, self._rules)
        found = await self._answering.session(SessionWish(wanted.items, wanted.negatives, wanted.n))
        return answer(SessionItems(found.items, found.origin))

    async def page(self, call: Call) -> Answer:
        """A whole page."""
        wanted = read_json(call.body, self._read_page)
        may_speak_of(call.caller, wanted.user_id)
        required("user_id", wanted.user_id, self._rules)
        rails = [Rail(each.scenario, each.n) for each in wanted.rails]
        wish = PageWish(wanted.user_id, rails, place(wanted.after), wanted.timeout)
        try:
            found = await self._answering.page(wish)
        except UnknownScenario as error:
            raise Problem("not-found", error.message, where="body rails", fix=error.fix) from None
        shown = [
            recommended(each, wanted.user_id, rail.scenario, explain=wanted.explain)
            for rail, each in zip(rails, found, strict=True)
        ]
        return answer(PageAnswer(shown))

    async def rank(self, call: Call) -> Answer:
        """These items, best first."""
        wanted = read_json(call.body, self._read_ranking)
        return answer(Items(await self._answering.rank(wanted.items, wanted.user_id, wanted.session)))

    def operations(self) -> Iterator[Operation]:
        """All of them."""
        shared: dict[str, Any] = {"scope": "read", "problems": ("unavailable", "misconfigured")}
        yield Operation(
            "POST",
            "/v1/sessions/recommendations",
            self.session,
            "What fits a session that is sent along; nothing of it is stored.",
            {200: Example("best first", SessionItems, {"items": ITEMS, "origin": "session"})},
            body=Session,
            body_example={"items": ["tea", "honey"], "negatives": ["coffee"]},
            **shared,
        )
        rail = {"user_id": "ann", "scenario": "home", "items": ITEMS, "origin": "personal"}
        yield Operation(
            "POST",
            "/v1/pages",
            self.page,
            "Several slates of a user for one page; no item is in two of them.",
            {200: Example("the slates, in the order asked for", PageAnswer, {"rails": [rail]})},
            body=Page,
            body_example={"user_id": "ann", "rails": [{"scenario": "home", "n": 10}, {"n": 20}]},
            browser="visitor",
            **{**shared, "problems": (*shared["problems"], "not-found")},
        )
        yield Operation(
            "POST",
            "/v1/rank",
            self.rank,
            "Put up to 1,000 items in order for a user or a session; only a live server can.",
            {200: Example("best first", Items, {"items": ITEMS})},
            body=Ranking,
            body_example={"items": ["milk", "bread"], "user_id": "ann"},
            **{**shared, "problems": (*shared["problems"], "needs-live")},
        )
