"""What a scenario must satisfy beyond its types: every mistake with its place, and what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from stream_rec.schemas import scenario as spec
from stream_rec.schemas.expressions import BadExpression, Wanted, check
from stream_rec.schemas.faults import BadBody, Fault, Path, between, did_you_mean, dotted, of_type, too_many
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.validation import TS_END

_MAX_FACTOR = 1000.0
_SPACE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ITEMS = "ids of items"
_MODEL = re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,128}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_BUDGET_MS = 1000.0
RERANKED = ("personal", "similar", "bought_together")
"""Logics that the ranker orders."""


class BadScenario(BadBody):
    """A scenario with mistakes."""


def scenario_of(body: Mapping[str, Any]) -> Scenario:
    """A scenario from parsed JSON or TOML.

    Raises:
        BadScenario: with every mistake of its values, or the first of its types.
    """
    try:
        scenario = msgspec.convert(body, Scenario)
    except msgspec.ValidationError as error:
        raise BadScenario([of_type(error, _kind_at)]) from None
    if found := faults(scenario):
        raise BadScenario(found)
    return scenario


def faults(scenario: Scenario) -> list[Fault]:
    """Every mistake in the values of a scenario whose types are right."""
    return [
        *_own(scenario),
        *_rules(scenario),
        *_promotions(scenario),
        *_floors(scenario),
        *_parts(scenario),
    ]


def _kind_at(path: Path) -> type[spec.Rule]:
    kinds: dict[str | int, type[spec.Rule]] = {
        "boosts": spec.Boost,
        "caps": spec.Cap,
        "pins": spec.Pin,
        "hides": spec.Hide,
        "promotions": spec.Promotion,
        "floors": spec.Floor,
        "diversity": spec.Diversity,
        "rotation": spec.Rotation,
        "exploration": spec.Exploration,
        "rerank": spec.Rerank,
    }
    return kinds.get(path[0], Scenario) if path else Scenario


def _own(scenario: Scenario) -> Iterator[Fault]:
    yield from _logic(("logic",), scenario.logic)
    if len(scenario.fallbacks) > spec.MAX_FALLBACKS:
        yield too_many("fallbacks", spec.MAX_FALLBACKS)
    for i, logic in enumerate(scenario.fallbacks):
        yield from _logic(("fallbacks", i), logic)
    yield from between(("k",), scenario.k, 1, spec.MAX_K)
    yield from _expression(("filter",), scenario.filter, bool)
    yield from _expression(("order_by",), scenario.order_by, float)
    if (scenario.logic == "leaderboard") != bool(scenario.order_by):
        yield Fault(("order_by",), "it belongs to the logic 'leaderboard', which needs it")
    yield from between(("min_relevance",), scenario.min_relevance, 0.0, 1.0)
    yield from between(("replacement",), scenario.replacement, 0.0, 1.0)
    for name in ("item_ttl_seconds", "event_ttl_seconds"):
        yield from between((name,), getattr(scenario, name), 0.0, TS_END)
    yield from _times((), scenario.valid_from, scenario.valid_until)


def _rules(scenario: Scenario) -> Iterator[Fault]:
    for name, bound in (
        ("boosts", spec.MAX_BOOSTS),
        ("caps", spec.MAX_CAPS),
        ("pins", spec.MAX_PINS),
        ("hides", spec.MAX_HIDES),
        ("promotions", spec.MAX_PROMOTIONS),
    ):
        if len(getattr(scenario, name)) > bound:
            yield too_many(name, bound)
    for i, boost in enumerate(scenario.boosts):
        yield from _expression(("boosts", i, "when"), boost.when, bool, required=True)
        yield from between(("boosts", i, "factor"), boost.factor, 1 / _MAX_FACTOR, _MAX_FACTOR)
    for i, cap in enumerate(scenario.caps):
        if not cap.attribute:
            yield Fault(("caps", i, "attribute"), "it is empty", "'tags', 'owner' or a named attribute")
        yield from between(("caps", i, "n"), cap.n, 1, spec.MAX_K)
        yield from between(("caps", i, "window"), cap.window, 0, spec.MAX_K)
    yield from _slots(scenario)


def _slots(scenario: Scenario) -> Iterator[Fault]:
    taken: set[int] = set()
    for i, pin in enumerate(scenario.pins):
        yield from between(("pins", i, "slot"), pin.slot, 1, scenario.k)
        if pin.slot in taken:
            yield Fault(("pins", i, "slot"), f"slot {pin.slot} is pinned already", "one pin for a slot")
        taken.add(pin.slot)
        if not pin.item:
            yield Fault(("pins", i, "item"), "it is empty", "the id of an item")
    for i, hide in enumerate(scenario.hides):
        yield from _items(("hides", i, "items"), hide.items)
        for j, slot in enumerate(hide.slots):
            yield from between(("hides", i, "slots", j), slot, 1, scenario.k)


def _promotions(scenario: Scenario) -> Iterator[Fault]:
    for i, promotion in enumerate(scenario.promotions):
        at: Path = ("promotions", i)
        if bool(promotion.items) == bool(promotion.when):
            yield Fault(
                at, "a promotion is of `items`, or of those for which `when` is true", "give one of them"
            )
        if promotion.items:
            yield from _items((*at, "items"), promotion.items)
        yield from _expression((*at, "when"), promotion.when, bool)
        yield from _share((*at, "share"), promotion.share)
        yield from between((*at, "impressions"), promotion.impressions, 0, 1 << 53)
        if promotion.impressions and promotion.when:
            yield Fault((*at, "impressions"), "they are counted by item", "name the `items`")
        yield from _times(at, promotion.valid_from, promotion.valid_until)


def _floors(scenario: Scenario) -> Iterator[Fault]:
    if len(scenario.promotions) + len(scenario.floors) > spec.MAX_PROMOTIONS:
        yield Fault(
            ("floors",), f"more than {spec.MAX_PROMOTIONS} promotions and floors", "join some of them"
        )
    for i, floor in enumerate(scenario.floors):
        at: Path = ("floors", i)
        yield from _expression((*at, "when"), floor.when, bool, required=True)
        yield from between((*at, "within"), floor.within, 0, scenario.k)
        yield from between((*at, "places"), floor.places, 1, floor.within or scenario.k)
        yield from _share((*at, "slates"), floor.slates)


def _parts(scenario: Scenario) -> Iterator[Fault]:
    if scenario.diversity:
        yield from between(("diversity", "lambda"), scenario.diversity.relevance, 0.0, 1.0)
        over = scenario.diversity.over
        if over not in ("tags", "vectors") and not _is_space(over):
            fix = did_you_mean(over, ["tags", "vectors", "vectors:SPACE"])
            yield Fault(("diversity", "over"), f"{over!r} does not say what is alike", fix)
    if scenario.rotation:
        at = scenario.rotation
        yield from between(("rotation", "factor"), at.factor, 1 / _MAX_FACTOR, 1.0)
        yield from between(("rotation", "after"), at.after, 0, 1_000_000)
        yield from between(("rotation", "recover_seconds"), at.recover_seconds, 1.0, TS_END)
    if scenario.exploration:
        yield from _share(("exploration", "share"), scenario.exploration.share)
    if scenario.rerank:
        yield from _rerank(scenario.rerank, scenario.logic)


def _rerank(rerank: spec.Rerank, logic: str) -> Iterator[Fault]:
    if not _MODEL.fullmatch(rerank.model):
        yield Fault(
            ("rerank", "model"), f"{rerank.model!r} is no name of a file", "a file in the folder `rerank.url`"
        )
    if not _SHA256.fullmatch(rerank.sha256):
        yield Fault(("rerank", "sha256"), "it is not 64 hexadecimal digits", f"sha256sum {rerank.model}")
    yield from between(("rerank", "budget_ms"), rerank.budget_ms, 0.1, MAX_BUDGET_MS)
    if logic not in RERANKED:
        yield Fault(
            ("rerank",),
            f"the logic {logic!r} is not the ranker's",
            f"one of {', '.join(RERANKED)}, or no rerank",
        )


def _logic(path: Path, logic: str) -> Iterator[Fault]:
    if logic not in spec.LOGICS and not _is_space(logic):
        fix = did_you_mean(logic, [*spec.LOGICS, f"{spec.SPACE_PREFIX}SPACE"])
        yield Fault(path, f"no logic is called {logic!r}", fix)


def _is_space(logic: str) -> bool:
    prefix = spec.SPACE_PREFIX
    return logic.startswith(prefix) and bool(_SPACE.fullmatch(logic[len(prefix) :]))


def _expression(path: Path, text: str, wanted: Wanted, *, required: bool = False) -> Iterator[Fault]:
    if required and not text.strip():
        yield Fault(path, "it is empty", "an expression, such as \"'shoes' in tags\"")
    if len(text) > spec.MAX_EXPRESSION_CHARACTERS:
        bound = spec.MAX_EXPRESSION_CHARACTERS
        yield Fault(
            path, f"it has {len(text)} characters, {bound} are allowed", "name what it asks as an attribute"
        )
    elif text.strip() and (fault := _uncompiled(text, wanted)):
        yield Fault(path, fault.said, fault.fix, fault.at)


def _uncompiled(text: str, wanted: Wanted) -> BadExpression | None:
    """What is wrong with an expression; None = nothing."""
    return _checked(text, wanted is bool)


@lru_cache(maxsize=4096)
def _checked(text: str, of_truth: bool) -> BadExpression | None:
    try:
        check(text, bool if of_truth else float)
    except BadExpression as error:
        return error
    return None


def _items(path: Path, items: Sequence[str]) -> Iterator[Fault]:
    if not items or not all(items):
        yield Fault(path, "an id is missing", _ITEMS)
    if len(items) > spec.MAX_ITEMS_OF_A_RULE:
        yield too_many(dotted(path), spec.MAX_ITEMS_OF_A_RULE)


def _share(path: Path, share: float) -> Iterator[Fault]:
    if not 0 < share <= 1:
        yield Fault(path, f"{share!r} is no share", "above 0, at most 1: 0.2 = every fifth place")


def _times(path: Path, begin: float, end: float) -> Iterator[Fault]:
    for name, ts in (("from", begin), ("until", end)):
        if not 0 <= ts < TS_END:
            yield Fault(
                (*path, name), f"{ts!r} is no time", "a TOML date and time, or seconds since the epoch"
            )
    if end and end <= begin:
        yield Fault((*path, "until"), "it ends before it begins", "a time after `from`")
