"""What answers are made of, in the engine's thread: each function is asked at the desk."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from stream_rec.engine.answering.at_request import AtRequest
from stream_rec.engine.answering.explain import explain
from stream_rec.engine.answering.tried import slate_items
from stream_rec.engine.results import Ranked
from stream_rec.schemas.records import Reason, SlateItem
from stream_rec.schemas.scenario import MAX_K
from stream_rec.sdk.profile import Profile
from stream_rec.sdk.wire import Origin, Properties, Why
from stream_rec.serve.fallback import RANK_OFFSET
from stream_rec.serve.profiles import profile_of
from stream_rec.serve.wishes import (
    ProfileWish,
    RankWish,
    SessionWish,
    SimilarWish,
    UnknownScenario,
    UnknownVariant,
    Wish,
)

NOBODY = ""
"""Is shown what newcomers are."""
_NEAR = 100
"""Neighbours of an item, or of what is not wanted, that are looked at."""


class Found(NamedTuple):
    """Slate of a user: what may be shown of it.

    Attributes:
        items: best first.
        origin: what they come from.
        relaxed: for want of anything else, items that the user has had.
        rules_upto: as in `Ranked`.
        of_arm: experiment, arm and its share; None = the slate is of none.
    """

    items: tuple[SlateItem, ...]
    origin: Origin
    relaxed: bool
    rules_upto: int | None
    of_arm: tuple[str, str, float] | None = None


def in_force(at: AtRequest) -> list[str]:
    """Names of the scenarios that are in force."""
    return sorted(at.engine.decisions.in_force(at.engine.event_time))


def _scenario(at: AtRequest, name: str) -> str:
    """The name of a scenario that is in force.

    Raises:
        UnknownScenario: there is none, or it is off, or its time has not come or is over.
    """
    known = at.engine.decisions.scenarios.get(name)
    if known is None or not known.is_valid_at(at.engine.event_time):
        raise UnknownScenario(f"no scenario {name!r} is in force", fix=f"one of {', '.join(in_force(at))}")
    return name


def filter_of(name: str, at: AtRequest) -> str:
    """The scenario's own filter.

    Raises:
        UnknownScenario: it is not in force.
    """
    return at.engine.decisions.scenarios[_scenario(at, name)].filter


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


def of_user(wish: Wish, at: AtRequest) -> Found:
    """The slate of one wish, within its limits."""
    limits = wish.limits
    k = _most(wish.k, limits.exclude)
    scenario = _scenario(at, wish.scenario)
    if wish.variant:
        ranked, knows = _in_arm(wish, k, at), at.knows_user(wish.user_id)
    else:
        ranked, (knows,) = at.users([wish.user_id], scenario, k, limits.filter)
    items = _limited(slate_items(ranked), set(limits.exclude), limits.min_relevance, wish.k)
    origin = _origin(items, wish, at, knows=knows)
    upto = ranked.rules_upto if ranked.dealt else at.engine.rules_upto(wish.scenario)
    return Found(items, origin, ranked.relaxed[0], upto, _of_arm(ranked, 0))


def _in_arm(wish: Wish, k: int, at: AtRequest) -> Ranked:
    """In the arm that the wish names.

    Raises:
        UnknownVariant: there is none of this name, or the wish has a filter of its own.
    """
    if wish.limits.filter:
        raise UnknownVariant(
            "an arm has its own rules: no filter may be named beside it", fix="leave one out"
        )
    experiment, _, arm = wish.variant.rpartition("/")
    try:
        return at.engine.in_arm([wish.user_id], wish.scenario, k, experiment=experiment, arm=arm)
    except KeyError:
        there = [
            f"{each.experiment}/{each.arm}" for each in at.engine.decisions.trials.arms_of(wish.scenario)
        ]
        raise UnknownVariant(
            f"no experiment in scenario {wish.scenario} has the arm {wish.variant!r} now",
            fix=f"one of {', '.join(there)}" if there else "no experiment is live there: leave it out",
        ) from None


def _of_arm(ranked: Ranked, user: int) -> tuple[str, str, float] | None:
    of_arm = ranked.dealt[user] if ranked.dealt else None
    return (of_arm.experiment, of_arm.arm, of_arm.share) if of_arm is not None else None


def beyond(wish: Wish, at: AtRequest) -> tuple[SlateItem, ...]:
    """What the scenario shows whoever has no slate, without what this user has blocked."""
    items = of_user(replace(wish, user_id=NOBODY), at).items
    unwanted = at.blocked(wish.user_id, [each.item_id for each in items])
    return tuple([each for each in items if each.item_id not in unwanted])


def of_users(wishes: Sequence[Wish], at: AtRequest) -> list[Found]:
    """Of wishes for one scenario and length that are not limited."""
    scenario, k = _scenario(at, wishes[0].scenario), wishes[0].k
    ranked, known = at.users([wish.user_id for wish in wishes], scenario, k)
    found = []
    for user, wish in enumerate(wishes):
        items = tuple(slate_items(ranked, user))
        origin, relaxed = _origin(items, wish, at, knows=known[user]), ranked.relaxed[user]
        found.append(Found(items, origin, relaxed, ranked.rules_upto, _of_arm(ranked, user)))
    return found


def _origin(items: Sequence[SlateItem], wish: Wish, at: AtRequest, *, knows: bool) -> Origin:
    if not items:
        return "none"
    if knows:
        return "personal"
    return "scenario" if at.engine.has_rules(wish.scenario) else "popular"


def of_session(wish: SessionWish, at: AtRequest) -> tuple[tuple[SlateItem, ...], Origin]:
    """What fits a session of nobody in particular, and what it comes from."""
    limits = wish.limits
    without = {*wish.items, *wish.negatives, *limits.exclude}
    k = _most(wish.k + (_NEAR if wish.negatives else 0), without)
    ranked = at.session(wish.items, _scenario(at, wish.scenario), k, limits.filter)
    origin: Origin = "session"
    if ranked is None:
        (ranked, _), origin = at.users([NOBODY], wish.scenario, k, limits.filter), "popular"
    found = [each for each in slate_items(ranked) if each.item_id not in without]
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


def similar(wish: SimilarWish, at: AtRequest) -> tuple[SlateItem, ...]:
    """What is like the items, as the wish limits it; who brings a filter names a scenario, too."""
    limits = wish.limits
    without = {*wish.items, *limits.exclude}
    mixes = wish.user_id is not None and wish.user_impact > 0.0
    scenario = _scenario(at, wish.scenario) if wish.scenario else ""
    k = _most(max(wish.k, _NEAR if mixes or scenario else 0), without)
    ranked = at.connected(wish.items, k)
    if ranked is None:
        return ()
    seed = wish.items[-1]
    found = [
        SlateItem(each.item_id, each.score, Reason("similar", each.reason.item_id or seed))
        for each in slate_items(ranked)
        if each.item_id not in without
    ]
    if wish.user_id is not None:
        unwanted = at.blocked(wish.user_id, [each.item_id for each in found])
        found = [each for each in found if each.item_id not in unwanted]
    if scenario:
        ids = [each.item_id for each in found]
        kept = {each.item_id for each in at.rank(ids, None, (), scenario, limits.filter)}
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


def rank(wish: RankWish, at: AtRequest) -> tuple[SlateItem, ...]:
    """The given items, best first."""
    name = _scenario(at, wish.scenario)
    found = at.rank(wish.items, wish.user_id, wish.session, name, wish.limits.filter)
    return _limited(found, set(wish.limits.exclude), wish.limits.min_relevance, len(found))


def why(user_id: str, items: Sequence[str], scenario: str, at: AtRequest) -> list[Why]:
    """What made the scores of these items."""
    found = explain(at.engine, user_id, items, _scenario(at, scenario))
    return [
        Why(each.item_id, {name: round(part, 4) for name, part in each.by_source.items()}, each.rules)
        for each in found
    ]


def profile(wish: ProfileWish, at: AtRequest) -> Profile:
    """What the engine knows of a user."""
    return profile_of(at.engine, wish.user_id, wish.n)


def properties(item_ids: Sequence[str], fields: Sequence[str], at: AtRequest) -> dict[str, Properties]:
    """What was not given is left out, as where rules read it."""
    found: dict[str, Properties] = {}
    for item_id, known in at.described(item_ids).items():
        everything = {**known.pop("attributes"), **known}
        found[item_id] = {
            name: value for name in fields if (value := everything.get(name)) not in (None, "", [])
        }
    return found
