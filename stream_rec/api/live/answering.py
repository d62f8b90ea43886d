"""Answers from the engine, made when they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TypeVar

from msgspec import structs

from stream_rec.api.answering import RedisAnswering
from stream_rec.api.live import made
from stream_rec.api.live.following import Following
from stream_rec.api.names import new_name
from stream_rec.api.problem import Problem
from stream_rec.clock import Clock
from stream_rec.engine.answering.at_request import AtRequest
from stream_rec.engine.engine import Engine
from stream_rec.engine.steering.request_filters import TooManyFilters, both
from stream_rec.schemas.expressions import BadExpression, check
from stream_rec.schemas.records import DEFAULT_SCENARIO, AsOf, Slate, SlateItem
from stream_rec.sdk.profile import Profile
from stream_rec.sdk.wire import Properties, Why
from stream_rec.serve.wishes import (
    PageWish,
    Position,
    ProfileWish,
    Ranking,
    RankWish,
    Recommendations,
    SessionWish,
    SimilarWish,
    TopWish,
    Wish,
)

T = TypeVar("T")

_MAX_EXPRESSIONS = 256


class LiveAnswering:
    """Answers from the engine. Lists that are the same for everybody are the workers', from Redis.

    Args:
        following: holds the engine.
        lists: answers from Redis.
        clock: stamps answers.
    """

    def __init__(self, following: Following, lists: RedisAnswering, clock: Clock) -> None:
        self._following = following
        self._lists = lists
        self._clock = clock

    async def check(self) -> None:
        """As in `Answering`; and the engine is near the ends of its topics."""
        self._following.check()
        await self._lists.check()

    async def recommendations(self, wish: Wish) -> Recommendations:
        """As in `Answering`."""
        knows = await self._following.held.positions.wait(wish.after, wish.timeout_seconds)
        await self._ready(wish.scenario, wish.limits.filter)
        if wish.limits or wish.variant:
            found = await self._ask(partial(made.of_user, wish))
        else:
            desk = self._following.held.desk
            found = await desk.ask_together(made.of_users, wish, (wish.scenario, wish.k))
        return self._recommendations(wish, found, not knows)

    async def session(self, wish: SessionWish) -> Recommendations:
        """As in `Answering`."""
        knows = await self._following.held.positions.wait(wish.after, wish.timeout_seconds)
        await self._ready(wish.scenario, wish.limits.filter)
        items, origin = await self._ask(partial(made.of_session, wish))
        return Recommendations(items, origin, not knows, None)

    async def page(self, wish: PageWish) -> list[Recommendations]:
        """As in `Answering`."""
        knows = await self._following.held.positions.wait(wish.after, wish.timeout_seconds)
        shown: set[str] = set()
        page = []
        for rail in wish.rails:
            limits = replace(wish.limits, exclude=(*wish.limits.exclude, *shown))
            one = Wish(wish.user_id, rail.scenario, rail.k, None, 0.0, (), limits)
            await self._ready(rail.scenario, limits.filter)
            found = self._recommendations(one, await self._ask(partial(made.of_user, one)), not knows)
            shown |= {each.item_id for each in found.items}
            page.append(found)
        return page

    async def similar(self, wish: SimilarWish) -> Ranking:
        """As in `Answering`."""
        knows = await self._following.held.positions.wait(wish.after, wish.timeout_seconds)
        if wish.limits.filter:
            wish = replace(wish, scenario=wish.scenario or DEFAULT_SCENARIO)
            await self._ready(wish.scenario, wish.limits.filter)
        return Ranking(await self._ask(partial(made.similar, wish)), not knows)

    async def top(self, wish: TopWish) -> Ranking:
        """As in `Answering`."""
        return await self._lists.top(wish)

    async def beyond(self, wish: Wish) -> Sequence[SlateItem]:
        """As in `Answering`; nothing where rather fewer items are wanted."""
        if wish.limits.min_relevance:
            return ()
        await self._ready(wish.scenario, wish.limits.filter)
        return await self._ask(partial(made.beyond, wish))

    async def rank(self, wish: RankWish) -> Ranking:
        """As in `Answering`."""
        knows = await self._following.held.positions.wait(wish.after, wish.timeout_seconds)
        await self._ready(wish.scenario, wish.limits.filter)
        return Ranking(await self._ask(partial(made.rank, wish)), not knows)

    async def scenarios(self) -> list[str]:
        """As in `Answering`."""
        return await self._ask(made.in_force)

    async def why(self, user_id: str, items: Sequence[str], scenario: str) -> Sequence[Why]:
        """As in `Answering`."""
        return await self._ask(partial(made.why, user_id, items, scenario))

    async def profile(self, wish: ProfileWish) -> Profile:
        """As in `Answering`: slates are the workers', from Redis; all else is the engine's."""
        knows = await self._following.held.positions.wait(wish.after, wish.timeout_seconds)
        found = await self._ask(partial(made.profile, wish))
        standing = await self._lists.profile(ProfileWish(wish.user_id, wish.n))
        return structs.replace(found, slates=standing.slates, stale=not knows)

    async def properties(self, item_ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Properties]:
        """As in `Answering`."""
        return await self._ask(partial(made.properties, item_ids, fields))

    async def _ask(self, question: Callable[[AtRequest], T]) -> T:
        try:
            return await self._following.held.desk.ask(question)
        except TooManyFilters:
            raise Problem(
                "busy", "more filters are asked for at a time than are kept", where="filter", fix="ask again"
            ) from None

    async def _ready(self, scenario: str, text: str) -> None:
        """Check the request's filter, and have it compiled; other requests and records have their turns meanwhile.

        Raises:
            Problem: the filter is wrong.
            UnknownScenario: there is no such scenario.
        """
        if not text:
            return
        _check(text, "")
        own = await self._ask(partial(made.filter_of, scenario))
        if own.strip():
            _check(text, own)
        while not await self._ask(lambda at: at.prepare((scenario, text))):
            await asyncio.sleep(0)

    def _recommendations(self, wish: Wish, found: made.Found, stale: bool) -> Recommendations:
        slate = None
        if found.origin == "personal" and (as_of := self._as_of(wish.after)) is not None:
            slate = Slate(
                as_of.under_rules(found.rules_upto),
                wish.user_id,
                wish.scenario,
                f"live-{new_name()}",
                Engine.version,
                self._clock.now(),
                found.items,
                "repeats" if found.relaxed else None,
                *(found.of_arm or ()),
            )
        return Recommendations(found.items, found.origin, stale, slate)

    def _as_of(self, after: Position | None) -> AsOf | None:
        as_of = self._following.held.as_of
        return as_of.newest() if after is None else as_of.of(after.partition)


@lru_cache(_MAX_EXPRESSIONS)
def _fault(text: str, own: str) -> BadExpression | None:
    try:
        check(both(own, text), bool)
    except BadExpression as error:
        return error
    return None


def _check(text: str, own: str) -> None:
    """Raises Problem: a request's filter is wrong, alone or beside the scenario's own."""
    fault = _fault(text, own)
    if fault is None:
        return
    before = text[: fault.at]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    beside = " (together with the scenario's own filter)" if own else ""
    where = "filter" if own else f"filter, line {line}, column {column}"
    raise Problem("refused", fault.said + beside, where=where, fix=fault.fix)
