"""The parts of an engine (state, vector index, join of impressions, event ids) as one mapping of arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from stream_rec.engine.dedup import Repeats
from stream_rec.engine.state import layout
from stream_rec.engine.vectors import VectorIndex
from stream_rec.feedback.attribution import Attribution
from stream_rec.kernels.state import State

STATE, INDEX, ATTRIBUTION, REPEATS = "state.", "index.", "attribution.", "repeats."
"""Beginnings of the arrays' names."""


def arrays(state: State, vectors: VectorIndex, attribution: Attribution, repeats: Repeats) -> layout.Arrays:
    """Everything that was learned."""
    named = {STATE + name: array for name, array in layout.learned(state).items()}
    return named | beside(vectors, attribution, repeats)


def beside(vectors: VectorIndex, attribution: Attribution, repeats: Repeats) -> layout.Arrays:
    """Everything but the state."""
    named = {INDEX + name: array for name, array in vectors.arrays().items()}
    named |= {ATTRIBUTION + name: array for name, array in attribution.arrays().items()}
    return named | {REPEATS + name: array for name, array in repeats.arrays().items()}


def restored(
    state: State,
    vectors: VectorIndex,
    attribution: Attribution,
    repeats: Repeats,
    given: Mapping[str, NDArray[Any]],
) -> State:
    """Put what `arrays` gave into empty parts, in place; the state that holds it.

    Raises:
        ConfigError: it does not fit; nothing is changed then.
    """
    of_state, of_index = _part(given, STATE), _part(given, INDEX)
    of_attribution, of_repeats = _part(given, ATTRIBUTION), _part(given, REPEATS)
    layout.check(state, of_state)
    attribution.check(of_attribution)
    repeats.check(of_repeats)
    vectors.restore(of_index)
    attribution.load(of_attribution)
    repeats.load(of_repeats)
    return layout.fill(state, of_state)


def _part(given: Mapping[str, NDArray[Any]], part: str) -> layout.Arrays:
    return {name.removeprefix(part): array for name, array in given.items() if name.startswith(part)}
