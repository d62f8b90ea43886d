"""The parts of an engine (state, vector index, join of impressions) as one mapping of arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from stream_rec.engine import learned
from stream_rec.engine.vectors import VectorIndex
from stream_rec.kernels.state import State
from stream_rec.measure.attribution import Attribution

STATE, INDEX, ATTRIBUTION = "state.", "index.", "attribution."
"""Beginnings of the arrays' names."""


def arrays(state: State, vectors: VectorIndex, attribution: Attribution) -> learned.Arrays:
    """Everything that was learned."""
    named = {STATE + name: array for name, array in learned.learned(state).items()}
    return named | beside(vectors, attribution)


def beside(vectors: VectorIndex, attribution: Attribution) -> learned.Arrays:
    """Everything but the state."""
    named = {INDEX + name: array for name, array in vectors.arrays().items()}
    return named | {ATTRIBUTION + name: array for name, array in attribution.arrays().items()}


def restored(
    state: State, vectors: VectorIndex, attribution: Attribution, given: Mapping[str, NDArray[Any]]
) -> State:
    """Put what `arrays` gave into empty parts, in place; the state that holds it.

    Raises:
        ConfigError: it does not fit; nothing is changed then.
    """
    of_state, of_index, of_attribution = (_part(given, part) for part in (STATE, INDEX, ATTRIBUTION))
    learned.check(state, of_state)
    attribution.check(of_attribution)
    vectors.restore(of_index)
    attribution.load(of_attribution)
    return learned.fill(state, of_state)


def _part(given: Mapping[str, NDArray[Any]], part: str) -> learned.Arrays:
    return {name.removeprefix(part): array for name, array in given.items() if name.startswith(part)}
