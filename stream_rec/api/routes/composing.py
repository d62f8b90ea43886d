"""Reads with a body: recommendations for a session, whole pages, and an order for given items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import structs

from stream_rec.api.answering import Answering
from stream_rec.api.body import read_json
from stream_rec.api.ids import must_be_id
from stream_rec.api.operation import Answer, Call, Example, Operation, answer
from stream_rec.api.problem import Problem
from stream_rec.api.routes.reading import ITEMS, may_speak_of, place, properties, recommended
from stream_rec.sdk import wire
from stream_rec.serve.wishes import Limits, PageWish, Rail, RankWish, SessionWish, UnknownScenario
from stream_rec.settings import IngestSettings


class Composing:
    """The routes.

    Args:
        answering: reads.
        rules: what an id may be.
    """

    def __init__(self, answering: Answering, rules: IngestSettings) -> None:
        self._answering = answering
        self._rules = rules
        self._read_session = msgspec.json.Decoder(wire.SessionWish).decode
        self._read_page = msgspec.json.Decoder(wire.PageWish).decode
        self._read_ranking = msgspec.json.Decoder(wire.RankWish).decode

    async def session(self, call: Call) -> Answer:
        """For a session; nothing of it is stored."""
        wanted = read_json(call.body, self._read_session)
        for name, ids in (("items", wanted.items), ("negatives", wanted.negatives)):
            for number, item_id in enumerate(ids):
                must_be_id(item_id, f"body {name}[{number}]", self._rules)
        found = await self._answering.session(
            SessionWish(
                wanted.items,
                wanted.negatives,
                wanted.n,
                wanted.scenario,
                Limits(wanted.filter, wanted.exclude, wanted.min_relevance),
                place(wanted.after),
                wanted.timeout,
            )
        )
        known = await properties(self._answering, found.items, wanted.fields)
        return answer(wire.SessionItems(found.items, found.origin, found.stale, known))

    async def page(self, call: Call) -> Answer:
        """A whole page."""
        wanted = read_json(call.body, self._read_page)
        may_speak_of(call.caller, wanted.user_id, "body user_id")
        must_be_id(wanted.user_id, "body user_id", self._rules)
        rails = [Rail(each.scenario, each.n) for each in wanted.rails]
        wish = PageWish(
            wanted.user_id, rails, place(wanted.after), wanted.timeout, Limits(wanted.filter, wanted.exclude)
        )
        try:
            found = await self._answering.page(wish)
        except UnknownScenario as error:
            raise Problem("not-found", error.message, where="body rails", fix=error.fix) from None
        shown = [
            recommended(each, wanted.user_id, rail.scenario, explain=wanted.explain)
            for rail, each in zip(rails, found, strict=True)
        ]
        if wanted.fields:
            shown = [
                structs.replace(each, properties=await properties(self._answering, each.items, wanted.fields))
                for each in shown
            ]
        return answer(wire.PageAnswer(shown))

    async def rank(self, call: Call) -> Answer:
        """These items, best first."""
        wanted = read_json(call.body, self._read_ranking)
        found = await self._answering.rank(
            RankWish(
                wanted.items,
                wanted.user_id,
                wanted.session,
                wanted.scenario,
                place(wanted.after),
                wanted.timeout,
                Limits(wanted.filter, wanted.exclude, wanted.min_relevance),
            )
        )
        known = await properties(self._answering, found.items, wanted.fields)
        return answer(wire.RankAnswer(found.items, found.stale, known))

    def operations(self) -> Iterator[Operation]:
        """All of them."""
        problems = ("unavailable", "misconfigured", "not-found", "needs-live")
        shared: dict[str, Any] = {"scope": "read", "problems": problems}
        yield Operation(
            "POST",
            "/v1/sessions/recommendations",
            self.session,
            "What fits a session that is sent along; nothing of it is stored.",
            {200: Example("best first", wire.SessionItems, {"items": ITEMS, "origin": "session"})},
            body=wire.SessionWish,
            body_example={"items": ["tea", "honey"], "negatives": ["coffee"]},
            **shared,
        )
        rail = {"user_id": "ann", "scenario": "home", "items": ITEMS, "origin": "personal"}
        yield Operation(
            "POST",
            "/v1/pages",
            self.page,
            "Several slates of a user for one page; no item is in two of them.",
            {200: Example("the slates, in the order asked for", wire.PageAnswer, {"rails": [rail]})},
            body=wire.PageWish,
            body_example={"user_id": "ann", "rails": [{"scenario": "home", "n": 10}, {"n": 20}]},
            browser="visitor",
            **shared,
        )
        yield Operation(
            "POST",
            "/v1/rank",
            self.rank,
            "Put up to 1,000 items in order for a user or a session; only a live server can.",
            {200: Example("best first", wire.RankAnswer, {"items": ITEMS})},
            body=wire.RankWish,
            body_example={"items": ["milk", "bread"], "user_id": "ann"},
            **shared,
        )
