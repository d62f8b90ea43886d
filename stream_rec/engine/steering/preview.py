"""What a scenario would do before it is applied: a user's slate before and after, and the effect of each rule.

The effect of a rule is the difference that it alone makes: the slate with all rules, and the slate without this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import structs

from stream_rec.engine.answering.explain import Explained, explain
from stream_rec.engine.engine import Engine
from stream_rec.engine.steering.trials import variant
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.scenario_check import faults

LISTS = ("boosts", "caps", "pins", "hides", "promotions", "floors")
"""Fields that hold several rules, each with an effect of its own."""
SINGLE = (
    *(
        "filter",
        "diversity",
        "min_relevance",
        "rotation",
        "leave_out_seen",
        "replacement",
        "exploration",
        "rerank",
    ),
    *("item_ttl_seconds", "event_ttl_seconds"),
)
"""Fields that are one rule each."""
CHANGED = ("logic", "k", "fallbacks", "strict", "event_types", "order_by")
"""Fields that are no rule: their effect is that of the change."""
AT_ONCE = 32
"""Slates without a rule that are compiled together: half of the masks' bits."""


@dataclass(frozen=True, slots=True)
class Moved:
    """An item that a rule, or a change, moves.

    Attributes:
        item_id: the item.
        was: its place without it, from 1; None = it is not in the slate then.
        now: its place with it; None likewise.
    """

    item_id: str
    was: int | None
    now: int | None


@dataclass(frozen=True, slots=True)
class Effect:
    """What one rule does to one slate.

    Attributes:
        rule: `filter`, `boosts[0]` and so on; or names of CHANGED fields.
        says: its text; of fields what they were and what they would be.
        moved: what it moves: what it brings and takes first; empty = nothing here; None = the scenario is impossible
            without it, so it cannot be told apart.
    """

    rule: str
    says: str
    moved: list[Moved] | None


@dataclass(frozen=True, slots=True)
class Preview:
    """One scenario, for one user.

    Attributes:
        scenario: name.
        before: item ids as it is now; None = there is no such scenario yet.
        after: item ids as it would be.
        moved: all items of both, in the order of the new slate, what is gone last.
        explained: each of these as it would be, in the same order.
        effects: of each change of a field that is no rule, then of each rule that the scenario would have, in the order
            of its fields.
    """

    scenario: str
    before: list[str] | None
    after: list[str]
    moved: list[Moved]
    explained: list[Explained]
    effects: list[Effect]


def preview(engine: Engine, user_id: str, wanted: Mapping[str, Scenario]) -> list[Preview]:
    """Try scenarios out on an engine of one's own.

    Args:
        engine: learned; nothing that is learned changes.
        user_id: whose slates; an unknown one gets those of a newcomer.
        wanted: by name.
    """
    present = engine.decisions.scenarios
    before = _slates(engine, user_id, {name: present[name] for name in wanted if name in present})
    after = _slates(engine, user_id, wanted)
    moved = {name: _moved(before.get(name, []), after[name], all_=True) for name in wanted}
    explained = {
        name: explain(engine, user_id, [each.item_id for each in moved[name]], name) for name in wanted
    }
    found = [
        Preview(
            scenario=name,
            before=before.get(name),
            after=after[name],
            moved=moved[name],
            explained=explained[name],
            effects=_effects(engine, user_id, name, (present.get(name, Scenario()), scenario), after[name]),
        )
        for name, scenario in wanted.items()
    ]
    engine.decisions.scenarios = present
    return found


def _slates(engine: Engine, user_id: str, scenarios: Mapping[str, Scenario]) -> dict[str, list[str]]:
    engine.decisions.scenarios = dict(scenarios)
    engine.compile_rules()
    return {name: engine.recommend([user_id], scenario=name).items[0] for name in scenarios}


def _effects(
    engine: Engine, user_id: str, name: str, both: tuple[Scenario, Scenario], slate: list[str]
) -> list[Effect]:
    """Without a rule the scenario is as an arm would have it: its promotions were shown as often.

    Args:
        engine: to try it on.
        user_id: whose slate.
        name: of the scenario.
        both: as it is, or the defaults, and as it would be.
        slate: as it would be.
    """
    parts = [*_without_changes(*both), *_without_each(both[1])]
    found = [Effect(rule, says, None) for rule, says, without in parts if faults(without)]
    parts = [each for each in parts if not faults(each[2])]
    for start in range(0, len(parts), AT_ONCE):
        some = {variant(name, "preview", each[0]): each for each in parts[start : start + AT_ONCE]}
        slates = _slates(engine, user_id, {under: without for under, (_, _, without) in some.items()})
        found += [Effect(rule, says, _moved(slates[under], slate)) for under, (rule, says, _) in some.items()]
    return found


def _without_changes(before: Scenario, scenario: Scenario) -> Iterator[tuple[str, str, Scenario]]:
    """Every changed field that is no rule: its name, what it was and would be, and the scenario with it as it was.

    Fields that hang together, as `logic` and `order_by` do, are one change.
    """
    changed = [name for name in CHANGED if getattr(before, name) != getattr(scenario, name)]
    alone = [name for name in changed if not faults(_as_it_was(before, scenario, [name]))]
    together = [name for name in changed if name not in alone]
    for names in [*([name] for name in alone), *([together] if together else [])]:
        was, now = (
            [_text(getattr(each, name)) or "nothing" for name in names] for each in (before, scenario)
        )
        says = ", ".join(f"{a} -> {b}" for a, b in zip(was, now, strict=True))
        yield ", ".join(names), says, _as_it_was(before, scenario, names)


def _as_it_was(before: Scenario, scenario: Scenario, names: Sequence[str]) -> Scenario:
    return structs.replace(scenario, **{name: getattr(before, name) for name in names})


def _without_each(scenario: Scenario) -> Iterator[tuple[str, str, Scenario]]:
    """Every rule: its name, its text, and the scenario without it."""
    nothing = Scenario()
    for field in SINGLE:
        value = getattr(scenario, field)
        if value != getattr(nothing, field):
            yield field, _text(value), structs.replace(scenario, **{field: getattr(nothing, field)})
    for field in LISTS:
        rules = getattr(scenario, field)
        for i, rule in enumerate(rules):
            others = (*rules[:i], *rules[i + 1 :])
            yield f"{field}[{i}]", _text(rule), structs.replace(scenario, **{field: others})


def _text(value: Any) -> str:
    plain = msgspec.to_builtins(value)
    if isinstance(plain, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in plain.items())
    return ", ".join(map(str, plain)) if isinstance(plain, (list, tuple)) else str(plain)


def _moved(without: Sequence[str], with_: Sequence[str], *, all_: bool = False) -> list[Moved]:
    """Items by their new places, those that are gone last; but for `all_`, only what stands elsewhere."""
    was = {item: place for place, item in enumerate(without, start=1)}
    now = {item: place for place, item in enumerate(with_, start=1)}
    found = [Moved(item, was.get(item), place) for item, place in now.items()]
    found += [Moved(item, place, None) for item, place in was.items() if item not in now]
    if all_:
        return found
    changed = [each for each in found if each.was != each.now]
    return sorted(changed, key=lambda each: each.was is not None and each.now is not None)
