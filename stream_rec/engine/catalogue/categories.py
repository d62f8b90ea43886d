"""The heaviest tags of the catalogue, with their items: what lists by category are made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.state import State
from stream_rec.engine.names import n_rows, name_of
from stream_rec.kernels.columns import TAG
from stream_rec.sources.popularity import MIDDLE


class Category(NamedTuple):
    """A tag and its items.

    Attributes:
        tag: its name.
        rows: int64 [n], ascending, of the items that have it.
        version: of the columns (`ItemAttributes.version`) that this was read from.
    """

    tag: str
    rows: NDArray[np.int64]
    version: int


def heaviest(state: State, n: int) -> list[Category]:
    """The n tags whose items that may be shown are used most now, heaviest first; of equal ones those with more items.

    A pass over all tags of all items: not to be asked for every second.
    """
    own, n_items = state.columns, n_rows(state.items)
    width = int(own.n_entries[:n_items].max(initial=0))
    is_tag = own.columns[:n_items, :width] == TAG
    is_tag &= np.arange(width) < own.n_entries[:n_items, None]
    is_tag &= state.popularity.eligible[:n_items, None]
    rows, places = np.nonzero(is_tag)
    numbers = own.values[rows, places]
    used = np.bincount(numbers, state.popularity.reach[MIDDLE, rows], n_rows(state.texts) + 1)
    n_with = np.bincount(numbers, minlength=len(used))
    best = np.lexsort((-n_with, -used))[:n]
    best = best[n_with[best] > 0]
    version = int(own.version[0])
    return [
        Category(name_of(state.texts, number - 1), rows[numbers == number], version)
        for number in best.tolist()
    ]


def unchanged(state: State, category: Category) -> NDArray[np.int64]:
    """Rows of the category that hold what they held when it was read."""
    return category.rows[state.columns.changed[category.rows] <= category.version]
