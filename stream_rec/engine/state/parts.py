"""The parts of an engine (state, vector index, join of impressions, event ids) as one mapping of arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.engine.arms.rankers import ArmRankers
from stream_rec.engine.fold.state import State
from stream_rec.engine.learning.dedup import Deduplication
from stream_rec.engine.learning.event_clock import EventClock
from stream_rec.engine.spaces.item_vectors import VectorIndex
from stream_rec.engine.state import layout, older, refit
from stream_rec.engine.steering.decisions import Decisions
from stream_rec.errors import ConfigError
from stream_rec.feedback.attribution import Attribution

STATE, INDEX, ATTRIBUTION, DEDUPLICATION = "state.", "index.", "attribution.", "deduplication."
CLOCK, CONTROL, ARMS, TRIALS = "clock.", "control.", "arms.", "trials."
"""Beginnings of the arrays' names."""


class Beside(NamedTuple):
    """What is learned, but is not in the state."""

    vectors: VectorIndex
    attribution: Attribution
    deduplication: Deduplication
    clock: EventClock
    decisions: Decisions
    arms: ArmRankers


def arrays(state: State, others: Beside) -> layout.Arrays:
    """Everything that was learned."""
    named = {STATE + name: array for name, array in layout.learned(state).items()}
    return named | beside(others)


def beside(others: Beside) -> layout.Arrays:
    """Everything but the state."""
    named = {INDEX + name: array for name, array in others.vectors.arrays().items()}
    named |= {ATTRIBUTION + name: array for name, array in others.attribution.arrays().items()}
    named |= {DEDUPLICATION + name: array for name, array in others.deduplication.arrays().items()}
    named |= {CLOCK + name: array for name, array in others.clock.arrays().items()}
    named |= {CONTROL + name: array for name, array in others.decisions.arrays().items()}
    named |= {TRIALS + name: array for name, array in others.attribution.trials.arrays().items()}
    return named | {ARMS + name: array for name, array in others.arms.arrays().items()}


def restored(state: State, others: Beside, given: Mapping[str, NDArray[Any]]) -> State:
    """Put what `arrays` gave, in this release or an older one, into empty parts, in place; the state that holds it.

    It may come from other bounds, if what was learned has room in these (`refit`). A join of impressions that does not
    fit is left out: it is short-lived, and nothing is recommended by it.

    Raises:
        ConfigError: it does not fit; nothing is changed then.
    """
    given = older.renamed(given)
    of_state = refit.state(state, older.completed(state, _part(given, STATE)))
    of_index = _part(given, INDEX)
    n_sets = len(others.attribution.state.items.item)
    of_attribution = refit.item_counts(_part(given, ATTRIBUTION), n_sets)
    of_clock, of_control, of_arms = _part(given, CLOCK), _part(given, CONTROL), _part(given, ARMS)
    deduplication = others.deduplication
    of_deduplication = refit.event_ids(
        _part(given, DEDUPLICATION), deduplication.window, deduplication.partitions
    )
    layout.check(state, of_state)
    deduplication.check(of_deduplication)
    others.clock.check(of_clock)
    others.decisions.check(of_control)
    others.arms.check(of_arms)
    of_trials = _part(given, TRIALS)
    others.attribution.trials.check(of_trials)
    others.vectors.restore(of_index)
    if _fits(others.attribution, of_attribution):
        others.attribution.load(of_attribution)
    others.attribution.trials.load(of_trials)
    deduplication.load(of_deduplication)
    others.clock.load(of_clock)
    others.decisions.load(of_control)
    others.arms.load(of_arms)
    return layout.fill(state, of_state)


def _fits(attribution: Attribution, arrays: layout.Arrays) -> bool:
    try:
        attribution.check(arrays)
    except ConfigError as error:
        logs.get("learn").warning(
            "impressions that wait for their outcomes are left out of what is restored", why=error.message
        )
        return False
    return True


def _part(given: Mapping[str, NDArray[Any]], part: str) -> layout.Arrays:
    return {name.removeprefix(part): array for name, array in given.items() if name.startswith(part)}
