"""The parts of an engine (state, vector index, join of impressions, event ids) as one mapping of arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.engine.dedup import Deduplication
from stream_rec.engine.event_clock import EventClock
from stream_rec.engine.fold.state import State
from stream_rec.engine.state import layout, older, refit
from stream_rec.engine.vectors import VectorIndex
from stream_rec.errors import ConfigError
from stream_rec.feedback.attribution import Attribution

STATE, INDEX, ATTRIBUTION, DEDUPLICATION = "state.", "index.", "attribution.", "deduplication."
CLOCK = "clock."
"""Beginnings of the arrays' names."""


def arrays(
    state: State,
    vectors: VectorIndex,
    attribution: Attribution,
    deduplication: Deduplication,
    clock: EventClock,
) -> layout.Arrays:
    """Everything that was learned."""
    named = {STATE + name: array for name, array in layout.learned(state).items()}
    return named | beside(vectors, attribution, deduplication, clock)


def beside(
    vectors: VectorIndex, attribution: Attribution, deduplication: Deduplication, clock: EventClock
) -> layout.Arrays:
    """Everything but the state."""
    named = {INDEX + name: array for name, array in vectors.arrays().items()}
    named |= {ATTRIBUTION + name: array for name, array in attribution.arrays().items()}
    named |= {DEDUPLICATION + name: array for name, array in deduplication.arrays().items()}
    return named | {CLOCK + name: array for name, array in clock.arrays().items()}


def restored(
    state: State,
    vectors: VectorIndex,
    attribution: Attribution,
    deduplication: Deduplication,
    clock: EventClock,
    given: Mapping[str, NDArray[Any]],
) -> State:
    """Put what `arrays` gave, in this release or an older one, into empty parts, in place; the state that holds it.

    It may come from other bounds, if what was learned has room in these (`refit`). A join of impressions that does not
    fit is left out: it is short-lived, and nothing is recommended by it.

    Raises:
        ConfigError: it does not fit; nothing is changed then.
    """
    given = older.renamed(given)
    of_state = refit.state(state, older.completed(state, _part(given, STATE)))
    of_index, of_attribution = _part(given, INDEX), _part(given, ATTRIBUTION)
    of_deduplication = refit.event_ids(
        _part(given, DEDUPLICATION), deduplication.window, deduplication.partitions
    )
    of_clock = _part(given, CLOCK)
    layout.check(state, of_state)
    deduplication.check(of_deduplication)
    clock.check(of_clock)
    vectors.restore(of_index)
    if _fits(attribution, of_attribution):
        attribution.load(of_attribution)
    deduplication.load(of_deduplication)
    clock.load(of_clock)
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
