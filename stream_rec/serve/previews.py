"""Previews of scenarios as they go over the wire, and what effects are in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from stream_rec.producers.scenarios.file import changes
from stream_rec.schemas.scenario import Scenario
from stream_rec.sdk.preview import RuleEffect, ScenarioPreview

if TYPE_CHECKING:
    from stream_rec.engine.engine import Engine
    from stream_rec.history.time_travel.rebuild import Rebuilt

_NAMED = 8
"""Items of one rule that are named."""


def previews(
    engine: Engine, user_id: str, wanted: Mapping[str, Scenario], now: float
) -> list[ScenarioPreview]:
    """Try scenarios out on an engine of one's own; arguments as of `engine.steering.preview.preview`.

    Args:
        engine: learned.
        user_id: whose slates.
        wanted: by name.
        now: seconds since the epoch: is a scenario in its time?
    """
    from stream_rec.engine.steering.preview import preview

    present = engine.decisions.scenarios
    return [
        msgspec.convert(
            {
                **msgspec.to_builtins(each),
                "is_on": wanted[each.scenario].is_valid_at(now),
                "changes": list(changes(present.get(each.scenario), wanted[each.scenario])),
            },
            ScenarioPreview,
        )
        for each in preview(engine, user_id, wanted)
    ]


def learned(rebuilt: Rebuilt) -> str:
    """What a rebuilt engine knows, in words."""
    since = f"snapshot {rebuilt.snapshot} and " if rebuilt.snapshot else ""
    return f"as of {since}{sum(rebuilt.learned.values()):,} records of the log"


def in_words(effect: RuleEffect, name: Callable[[str], str] = str) -> str:
    """What a rule does to the slate.

    Args:
        effect: of the rule.
        name: what an item is called, by its id.
    """
    if effect.moved is None:
        return "cannot be told apart from the rest, which is impossible without it"
    return "; ".join(_moves(effect, name)) or "changes nothing here"


def _moves(effect: RuleEffect, name: Callable[[str], str]) -> Iterator[str]:
    moved = effect.moved or ()
    brought = [f"{name(each.item_id)} ({each.now})" for each in moved if each.was is None]
    taken = [f"{name(each.item_id)} (was {each.was})" for each in moved if each.now is None]
    others = [
        f"{name(each.item_id)} {each.was} to {each.now}"
        for each in moved
        if each.was is not None and each.now is not None
    ]
    for what, items in (("brings", brought), ("takes out", taken), ("moves", others)):
        if items:
            yield f"{what} {_listed(items)}"


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return f"{', '.join(items[:_NAMED])}{more}"
