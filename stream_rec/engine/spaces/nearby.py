"""For people: the vector spaces that an item is in, and what is nearest to it in each. Every vector is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import n_rows, name_of, rows_of
from stream_rec.engine.spaces.indexes import space_name
from stream_rec.schemas.columns import IdColumn


@dataclass(frozen=True, slots=True)
class Nearby:
    """An item in one space.

    Attributes:
        space: its name; empty = item factors, which are learned from events.
        dimensions: of the vectors as they come.
        n_items: items that have a vector there.
        nearest: ids and cosines, greatest first; only of items that may be recommended, and without the item itself.
    """

    space: str
    dimensions: int
    n_items: int
    nearest: list[tuple[str, float]]


def nearby(engine: Engine, item_id: str, k: int) -> list[Nearby]:
    """Spaces that hold the item, by name, the learned factors first; empty = it is unknown, or in none. Reads only."""
    row = int(rows_of(engine.state.items, IdColumn.of([item_id]))[0])
    return [] if row < 0 else list(_spaces(engine, row, k))


def _spaces(engine: Engine, row: int, k: int) -> Iterator[Nearby]:
    state = engine.state
    n = n_rows(state.items)
    factors = state.factors.items[:n]
    lengths = np.linalg.norm(factors, axis=1)
    if lengths[row] > 0:
        unit = factors / np.maximum(lengths, 1e-12)[:, None]
        yield _nearest(engine, row, k, "", factors.shape[1], unit, lengths > 0)
    slots = np.flatnonzero(state.spaces.has[row] & (state.spaces.dimensions > 0)).tolist()
    for name, slot in sorted((space_name(state, slot), slot) for slot in slots):
        own = state.spaces
        has = own.has[:n, slot]
        yield _nearest(engine, row, k, name, int(own.dimensions[slot]), own.vectors[slot, :n], has)


def _nearest(
    engine: Engine,
    row: int,
    k: int,
    space: str,
    dimensions: int,
    vectors: NDArray[np.float32],
    has: NDArray[np.bool_],
) -> Nearby:
    state = engine.state
    may = has & state.popularity.eligible[: len(has)]
    may[row] = False
    rows = np.flatnonzero(may)
    cosines = vectors[rows] @ vectors[row]
    order = np.argsort(-cosines, kind="stable")[:k].tolist()
    nearest = [(name_of(state.items, int(rows[at])), round(float(cosines[at]), 4)) for at in order]
    return Nearby(space, dimensions, int(has.sum()), nearest)
