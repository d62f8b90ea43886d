"""Answers from the engine, made when they are asked for."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar

from stream_rec.api.answering import RedisAnswering
from stream_rec.api.live.following import Following
from stream_rec.api.problem import Problem
from stream_rec.clock import Clock
from stream_rec.engine.at_request import AtRequest, Scored
from stream_rec.engine.engine import Engine
from stream_rec.engine.explain import explain
from stream_rec.engine.request_filters import TooManyFilters, both
from stream_rec.engine.results import Ranked
from stream_rec.schemas.expressions import BadExpression, check
from stream_rec.schemas.records import AsOf, Reason, Slate, SlateItem
from stream_rec.schemas.scenario import MAX_K
from stream_rec.sdk.wire import Origin, Properties, Why
from stream_rec.serve.answers import (
    PageWish,
    Position,
    Ranking,
    RankWish,
    Recommendations,
    SessionWish,
    SimilarWish,
    UnknownScenario,
    Wish,
)
from stream_rec.serve.fallback import RANK_OFFSET
from stream_rec.store.keys import TopName

T = TypeVar("T")

_MAX_EXPRESSIONS = 256
_NOBODY = ""
"""Is shown what newcomers are."""
_NEAR = 100
"""Neighbours of an item, or of what is not wanted, that are looked at."""


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
        if wish.limits:
            found = await self._ask(partial(_of_user, wish))
        else:
            desk = self._following.held.desk
            found = await desk.ask_together(_of_users, wish, (wish.scenario, wish.k))
        return self._recommendations(wish, found, not knows)

    async def session(self, wish: SessionWish) -> Recommendations:
        """As in `Answering`."""
        await self._ready(wish.scenario, wish.limits.filter)
        items, origin = await self._ask(partial(_of_session, wish))
        return Recommendations(items, origin, False, None)

    async def page(self, wish: PageWish) -> list[Recommendations]:
        """As in `Answering`."""
        knows = await self._following.held.positions.wait(wish.after, wish.timeout_seconds)
        shown: set[str] = set()
        page = []
        for rail in wish.rails:
            limits = replace(wish.limits, exclude=(*wish.limits.exclude, *shown))
            one = Wish(wish.user_id, rail.scenario, rail.k, None, 0.0, (), limits)
            await self._ready(rail.scenario, limits.filter)
            found = self._recommendations(one, await self._ask(partial(_of_user, one)), not knows)
            shown |= {each.item_id for each in found.items}
            page.append(found)
        return page

    async def similar(self, wish: SimilarWish) -> Sequence[SlateItem]:
        """As in `Answering`."""
        if wish.limits.filter:
            await self._ready(wish.scenario, wish.limits.filter)
        return await self._ask(partial(_similar, wish))

    async def top(self, name: TopName, k: int, tag: str) -> Sequence[SlateItem]:
        """As in `Answering`."""
        return await self._lists.top(name, k, tag)

    async def beyond(self, wish: Wish) -> Sequence[SlateItem]:
        """As in `Answering`; nothing where rather fewer items are wanted."""
        if wish.limits.min_relevance:
            return ()
        await self._ready(wish.scenario, wish.limits.filter)
        return (await self._ask(partial(_of_user, replace(wish, user_id=_NOBODY)))).items

    async def rank(self, wish: RankWish) -> Ranking:
        """As in `Answering`."""
        knows = await self._following.held.positions.wait(wish.after, wish.timeout_seconds)
        await self._ready(wish.scenario, wish.limits.filter)
        return Ranking(await self._ask(partial(_rank, wish)), not knows)

    async def scenarios(self) -> list[str]:
        """As in `Answering`."""
        return await self._ask(_in_force)

    async def why(self, user_id: str, items: Sequence[str], scenario: str) -> Sequence[Why]:
        """As in `Answering`."""
        return await self._ask(partial(_why, user_id, items, scenario))

    async def properties(self, item_ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Properties]:
        """As in `Answering`."""
        return await self._ask(partial(_properties, item_ids, fields))

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
        own = await self._ask(partial(_filter_of, scenario))
        if own.strip():
            _check(text, own)
        while not await self._ask(lambda at: at.prepare((scenario, text))):
            await asyncio.sleep(0)

    def _recommendations(self, wish: Wish, found: _Found, stale: bool) -> Recommendations:
        slate = None
        if found.origin == "personal" and (as_of := self._as_of(wish.after)) is not None:
            slate = Slate(
                as_of.under_rules(found.rules_upto),
                wish.user_id,
                wish.scenario,
                f"live-{secrets.token_hex(8)}",
                Engine.version,
                self._clock.now(),
                found.items,
                "repeats" if found.relaxed else None,
            )
        return Recommendations(found.items, found.origin, stale, slate)

    def _as_of(self, after: Position | None) -> AsOf | None:
        as_of = self._following.held.as_of
        return as_of.newest() if after is None else as_of.of(after.partition)


class _Found(NamedTuple):
    """Slate of a user: what may be shown of it.

    Attributes:
        items: best first.
        origin: what they come from.
        relaxed: for want of anything else, items that the user has had.
        rules_upto: as in `Ranked`.
    """

    items: tuple[SlateItem, ...]
    origin: Origin
    relaxed: bool
    rules_upto: int | None


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


def _in_force(at: AtRequest) -> list[str]:
    return sorted(at.engine.decisions.in_force(at.engine.event_time))


def _scenario(at: AtRequest, name: str) -> str:
    """The name of a scenario that is in force.

    Raises:
        UnknownScenario: there is none, or it is off, or its time has not come or is over.
    """
    known = at.engine.decisions.scenarios.get(name)
    if known is None or not known.is_valid_at(at.engine.event_time):
        raise UnknownScenario(f"no scenario {name!r} is in force", fix=f"one of {', '.join(_in_force(at))}")
    return name


def _filter_of(name: str, at: AtRequest) -> str:
    return at.engine.decisions.scenarios[_scenario(at, name)].filter


def _slate(found: Ranked, user: int = 0) -> list[SlateItem]:
    """A slate of a ranking, by default the only one."""
    names = found.source_names
    places = found.places(user)
    rows = zip(found.items[user], found.scores[user], found.sources[user], found.because[user], strict=True)
    if not places:
        return [SlateItem(item, score, Reason(names[s], because or None)) for item, score, s, because in rows]
    return [
        SlateItem(item, score, Reason(names[s], because or None), place.by, place.propensity)
        for (item, score, s, because), place in zip(rows, places, strict=True)
    ]


def _limited(
    items: Sequence[SlateItem], without: Collection[str], least: float, k: int
) -> tuple[SlateItem, ...]:
    """Those that are not left out and have at least this share of the best one's odds, k at most."""
    left = [each for each in items if each.item_id not in without] if without else items
    if least > 0.0:
        left = [each for each in left if not (each.by or "").startswith("fallback:")]
        floor = max((each.score for each in left), default=0.0) + math.log(least)
        left = [each for each in left if each.score >= floor]
    return tuple(left[:k])


def _most(k: int, without: Collection[str]) -> int:
    """Places that are asked for, so that k are left."""
    return min(2 * MAX_K, k + len(without))


def _of_user(wish: Wish, at: AtRequest) -> _Found:
    limits = wish.limits
    k = _most(wish.k, limits.exclude)
    ranked = at.users([wish.user_id], _scenario(at, wish.scenario), k, limits.filter)
    items = _limited(_slate(ranked), set(limits.exclude), limits.min_relevance, wish.k)
    origin = _origin(items, wish, at)
    return _Found(items, origin, ranked.relaxed[0], at.engine.rules_upto(wish.scenario))


def _of_users(wishes: Sequence[Wish], at: AtRequest) -> list[_Found]:
    """Of wishes for one scenario and length that are not limited."""
    scenario, k = _scenario(at, wishes[0].scenario), wishes[0].k
    ranked = at.users([wish.user_id for wish in wishes], scenario, k)
    found = []
    for user, wish in enumerate(wishes):
        items = tuple(_slate(ranked, user))
        found.append(_Found(items, _origin(items, wish, at), ranked.relaxed[user], ranked.rules_upto))
    return found


def _origin(items: Sequence[SlateItem], wish: Wish, at: AtRequest) -> Origin:
    if not items:
        return "none"
    if at.knows_user(wish.user_id):
        return "personal"
    return "scenario" if at.engine.has_rules(wish.scenario) else "popular"


def _of_session(wish: SessionWish, at: AtRequest) -> tuple[tuple[SlateItem, ...], Origin]:
    limits = wish.limits
    without = {*wish.items, *wish.negatives, *limits.exclude}
    k = _most(wish.k + (_NEAR if wish.negatives else 0), without)
    ranked = at.session(wish.items, _scenario(at, wish.scenario), k, limits.filter)
    origin: Origin = "session"
    if ranked is None:
        ranked, origin = at.users([_NOBODY], wish.scenario, k, limits.filter), "popular"
    found = [each for each in _slate(ranked) if each.item_id not in without]
    if wish.negatives:
        found = _nearer_to_others(at, found, wish.negatives)
    items = _limited(found, (), limits.min_relevance, wish.k)
    return items, origin if items else "none"


def _nearer_to_others(at: AtRequest, found: list[SlateItem], negatives: Sequence[str]) -> list[SlateItem]:
    """Without what stands higher among the neighbours of what is not wanted than here."""
    against = at.connected(negatives, _NEAR)
    if against is None:
        return found
    place = {item: number for number, item in enumerate(against.items[0])}
    return [each for number, each in enumerate(found) if place.get(each.item_id, math.inf) > number]


def _similar(wish: SimilarWish, at: AtRequest) -> tuple[SlateItem, ...]:
    limits = wish.limits
    without = {*wish.items, *limits.exclude}
    mixes = wish.user_id is not None and wish.user_impact > 0.0
    k = _most(max(wish.k, _NEAR if mixes or limits.filter else 0), without)
    ranked = at.connected(wish.items, k)
    if ranked is None:
        return ()
    seed = wish.items[-1]
    found = [
        SlateItem(each.item_id, each.score, Reason("similar", each.reason.item_id or seed))
        for each in _slate(ranked)
        if each.item_id not in without
    ]
    if limits.filter:
        ids = [each.item_id for each in found]
        kept = (
            {each.item_id for each in at.rank(ids, None, (), wish.scenario, limits.filter)} if ids else set()
        )
        found = [each for each in found if each.item_id in kept]
    found = list(_limited(found, (), limits.min_relevance, len(found)))
    if mixes:
        found = _mixed(at, found, wish)
    return tuple(found[: wish.k])


def _mixed(at: AtRequest, found: list[SlateItem], wish: SimilarWish) -> list[SlateItem]:
    """Item and user in one order, by reciprocal ranks: (1 - impact) / (60 + place) + impact / (60 + the user's)."""
    of_user = {
        each.item_id: number
        for number, each in enumerate(at.rank([each.item_id for each in found], wish.user_id, ()))
    }
    impact = wish.user_impact

    def mixed(number: int, each: SlateItem) -> float:
        own = of_user.get(each.item_id, len(found))
        return (1.0 - impact) / (RANK_OFFSET + number) + impact / (RANK_OFFSET + own)

    scored = [
        SlateItem(each.item_id, round(mixed(number, each), 6), each.reason)
        for number, each in enumerate(found, start=1)
    ]
    return sorted(scored, key=lambda each: -each.score)


def _rank(wish: RankWish, at: AtRequest) -> tuple[SlateItem, ...]:
    name = _scenario(at, wish.scenario)
    found = at.rank(wish.items, wish.user_id, wish.session, name, wish.limits.filter)
    ranked, unknown = Reason("ranker"), Reason("unknown")

    def item(each: Scored) -> SlateItem:
        return SlateItem(each.item_id, each.score, ranked if each.is_known else unknown)

    return _limited(
        [item(each) for each in found], set(wish.limits.exclude), wish.limits.min_relevance, len(found)
    )


def _why(user_id: str, items: Sequence[str], scenario: str, at: AtRequest) -> list[Why]:
    found = explain(at.engine, user_id, items, _scenario(at, scenario))
    return [
        Why(each.item_id, {name: round(part, 4) for name, part in each.by_source.items()}, each.rules)
        for each in found
    ]


def _properties(item_ids: Sequence[str], fields: Sequence[str], at: AtRequest) -> dict[str, Properties]:
    """What was not given is left out, as where rules read it."""
    found: dict[str, Properties] = {}
    for item_id, known in at.described(item_ids).items():
        everything = {**known.pop("attributes"), **known}
        found[item_id] = {
            name: value for name in fields if (value := everything.get(name)) not in (None, "", [])
        }
    return found
