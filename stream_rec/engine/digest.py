"""A hash of everything that was learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from stream_rec.engine.names import n_rows, name_of
from stream_rec.kernels.state import State
from stream_rec.kernels.vocabulary import VocabularyState


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """Every array of a nested tuple with its path, in order."""
    for name, value in zip(node._fields, node, strict=True):
        here = f"{path}.{name}" if path else name
        if isinstance(value, np.ndarray):
            yield here, value
        elif isinstance(value, tuple):
            yield from leaves(value, here)


def _names(v: VocabularyState) -> bytes:
    return "\n".join(name_of(v, row) for row in range(n_rows(v)) if v.lengths[row] >= 0).encode()


_LAYOUT = {"starts", "arena", "slots", "scalars"}
"""Where ids lie in memory is no part of what is known: a vocabulary is hashed by its ids in row order."""
_BY_USER = ("users.", "histories.", "factors.user")
_BY_ITEM = (
    "items.",
    "generation",
    "first_seen",
    "transitions.next",
    "transitions.later",
    "transitions.back",
    "neighbours.",
    "item_neighbours.",
    "factors.item",
    "factors.input",
    "factors.dirty",
    "factors.tags",
)
"""Beginnings of the paths of arrays with a row per user or item."""


def digest(state: State, **beside: Mapping[str, NDArray[Any]]) -> str:
    """128 bits over all learned state; equal if and only if (but for collisions) two engines know the same.

    Rows that were never taken are left out, so the cost goes with what is known, not with the bounds.

    Args:
        state: of the kernels.
        beside: state that is kept outside of it, as arrays by name.
    """
    users, items = n_rows(state.users), n_rows(state.items)
    h = xxhash.xxh3_128()
    for vocabulary in (state.users, state.items):
        h.update(_names(vocabulary))
        h.update(np.array([vocabulary.scalars[1]]).tobytes())
    for path, array in leaves(state):
        owner, _, name = path.partition(".")
        if owner in ("users", "items") and name in _LAYOUT:
            continue
        if path.startswith(_BY_USER):
            array = array[:users]
        elif path.startswith(_BY_ITEM):
            array = array[:items]
        h.update(path.encode())
        h.update(np.ascontiguousarray(array).view(np.uint8).data)
    for owner, arrays in beside.items():
        for name, array in arrays.items():
            h.update(f"{owner}.{name}".encode())
            h.update(np.ascontiguousarray(array).view(np.uint8).data)
    return h.hexdigest()
