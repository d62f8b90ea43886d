"""What peers that are fitted in batches share: who had what so far, and when everything is fitted anew."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_matrix

FIRST_FIT = 500


class Interactions:
    """Who had what so far; a pair counts once."""

    def __init__(self) -> None:
        self.items_of: dict[int, dict[int, None]] = {}
        self.rows_of: dict[int, dict[int, None]] = {}
        self.n_rows = 0
        self.n_items = 0

    def add(self, row: int, item: int) -> None:
        """One event."""
        self.items_of.setdefault(row, {})[item] = None
        self.rows_of.setdefault(item, {})[row] = None
        self.n_rows = max(self.n_rows, row + 1)
        self.n_items = max(self.n_items, item + 1)

    def matrix(self) -> csr_matrix:
        """Rows by items."""
        return _ones(self.items_of, range(self.n_rows), self.n_items)

    def of_rows(self, rows: list[int], n_items: int) -> csr_matrix:
        """Some rows; items beyond n_items are not there."""
        return _ones(self.items_of, rows, n_items)

    def of_items(self, items: list[int], n_rows: int) -> csr_matrix:
        """The same the other way round."""
        return _ones(self.rows_of, items, n_rows)


class Refits:
    """Counts events: a fit is due when they have doubled since the last, and at the latest every so many.

    Attributes:
        n: events so far.
    """

    def __init__(self, every: int) -> None:
        self.n = 0
        self._every = every
        self._next = FIRST_FIT

    def due(self) -> bool:
        """Count one event; fit now?"""
        self.n += 1
        if self.n < self._next:
            return False
        self._next += min(self.n, self._every)
        return True


def _ones(of: dict[int, dict[int, None]], rows: Iterable[int], n_columns: int) -> csr_matrix:
    """Rows of a sparse matrix of ones."""
    columns = [[at for at in of.get(row, ()) if at < n_columns] for row in rows]
    ends = np.cumsum([0, *(len(each) for each in columns)])
    indices = np.fromiter((at for each in columns for at in each), np.int32, int(ends[-1]))
    return csr_matrix((np.ones(len(indices), np.float32), indices, ends), shape=(len(columns), n_columns))
