"""Why an item is not in a slate: the first of the reasons, in the order in which a slate is made."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from stream_rec.engine.answering.had import had_by, why_blocked
from stream_rec.engine.engine import Engine


class Asked(NamedTuple):
    """Which item, in whose slate.

    Attributes:
        scenario: name.
        user: row, -1 = unknown.
        item: id.
        row: of the item, -1 = it has none.
        user_hash: of the user's id.
    """

    scenario: str
    user: int
    item: str
    row: int
    user_hash: np.uint64


def why_absent(engine: Engine, asked: Asked, candidate: int | None) -> str:
    """Of an item that is not in the slate that was made last.

    Args:
        engine: made it.
        asked: of which item.
        candidate: its place among the query's candidates; None = no source brings it up.
    """
    if said := _to_nobody(engine, asked) or _not_here(engine, asked):
        return said
    if candidate is None:
        return "no source brings it up for this user, and others come first in the lists"
    return _below(engine, asked, candidate)


def _below(engine: Engine, asked: Asked, candidate: int) -> str:
    """Of a candidate that may be shown: what others had more of."""
    scenario, query = engine.decisions.trials.scenarios[asked.scenario], engine.held.query
    scores = query.scores[: int(query.n_candidates[0])]
    score, best = float(scores[candidate]), float(scores.max())
    if scenario.min_relevance and score < best + math.log(scenario.min_relevance):
        share = math.exp(score - best)
        return f"its odds are {share:.3g} of the best item's, min_relevance is {scenario.min_relevance:g}"
    ahead = int(np.count_nonzero(scores > score))
    said = f"{ahead} of {len(scores)} candidates have better scores, and the slate has {scenario.k} places"
    if ahead >= scenario.k:
        return said
    rules = [f"caps of {cap.attribute} ({cap.n} in {cap.window or scenario.k})" for cap in scenario.caps]
    rules += ["pins"] * bool(scenario.pins) + ["promotions"] * bool(scenario.promotions)
    rules += ["floors"] * bool(scenario.floors)
    rules += ["diversity"] * bool(scenario.diversity) + ["slots that it is hidden in"] * any(
        asked.item in hide.items for hide in scenario.hides
    )
    return f"{said}; {', '.join(rules) or 'its logic'} left none for it"


def _to_nobody(engine: Engine, asked: Asked) -> str | None:
    state, row, now = engine.state, asked.row, engine.event_time
    if row >= 0 and state.columns.opens[row] > now:
        return f"its window opens at {state.columns.opens[row]:.0f}; event time is {now:.0f}"
    if row >= 0 and state.columns.closes[row] <= now:
        return f"its window closed at {state.columns.closes[row]:.0f}; event time is {now:.0f}"
    if engine.hidden([asked.item]):
        return "it was removed, or is not available"
    if row < 0:
        return "it is not known: no event and no catalogue record names it, or it was evicted"
    if engine.catalogue_decides and not state.in_catalogue[row]:
        return (
            "the catalogue has no record of it, and only what the catalogue has is shown (engine.catalogue)"
        )
    return None


def _not_here(engine: Engine, asked: Asked) -> str | None:
    scenario = engine.decisions.trials.scenarios[asked.scenario]
    for said in engine.scenes.told(asked.scenario, asked.row):
        if said.startswith(("hides:", "filter:")):
            return said
    if said_of := why_blocked(engine.state, asked.user_hash, asked.row):
        return said_of
    age = engine.event_time - float(engine.state.first_seen[asked.row])
    if scenario.item_ttl_seconds and age > scenario.item_ttl_seconds:
        return f"it is {age:.0f} s old, item_ttl_seconds is {scenario.item_ttl_seconds:.0f}"
    counts = 0 if scenario.leave_out_seen == "none" else engine.scenes.seen_types(scenario)
    if asked.user >= 0 and had_by(engine.state, asked.user, asked.row) & counts:
        return "the user has had it, and leave_out_seen leaves it out"
    return None
