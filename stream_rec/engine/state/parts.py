"""The parts of an engine (state, vector index, join of impressions, event ids) as one mapping of arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from stream_rec.engine.dedup import Deduplication
from stream_rec.engine.fold.state import State
from stream_rec.engine.state import layout, older
from stream_rec.engine.vectors import VectorIndex
from stream_rec.feedback.attribution import Attribution

STATE, INDEX, ATTRIBUTION, DEDUPLICATION = "state.", "index.", "attribution.", "deduplication."
"""Beginnings of the arrays' names."""


def arrays(
    state: State, vectors: VectorIndex, attribution: Attribution, deduplication: Deduplication
) -> layout.Arrays:
    """Everything that was learned."""
    named = {STATE + name: array for name, array in layout.learned(state).items()}
    return named | beside(vectors, attribution, deduplication)


def beside(vectors: VectorIndex, attribution: Attribution, deduplication: Deduplication) -> layout.Arrays:
    """Everything but the state."""
    named = {INDEX + name: array for name, array in vectors.arrays().items()}
    named |= {ATTRIBUTION + name: array for name, array in attribution.arrays().items()}
    return named | {DEDUPLICATION + name: array for name, array in deduplication.arrays().items()}


def restored(
    state: State,
    vectors: VectorIndex,
    attribution: Attribution,
    deduplication: Deduplication,
    given: Mapping[str, NDArray[Any]],
) -> State:
    """Put what `arrays` gave, in this release or an older one, into empty parts, in place; the state that holds it.

    Raises:
        ConfigError: it does not fit; nothing is changed then.
    """
    given = older.renamed(given)
    of_state, of_index = _part(given, STATE), _part(given, INDEX)
    of_attribution, of_deduplication = _part(given, ATTRIBUTION), _part(given, DEDUPLICATION)
    layout.check(state, of_state)
    attribution.check(of_attribution)
    deduplication.check(of_deduplication)
    vectors.restore(of_index)
    attribution.load(of_attribution)
    deduplication.load(of_deduplication)
    return layout.fill(state, of_state)


def _part(given: Mapping[str, NDArray[Any]], part: str) -> layout.Arrays:
    return {name.removeprefix(part): array for name, array in given.items() if name.startswith(part)}
