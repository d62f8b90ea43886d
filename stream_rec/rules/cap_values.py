"""What caps count: values of attributes, by item row."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from stream_rec.rules.program import MAX_VALUES, Item, values_of


class CapValues:
    """A column for every attribute that any cap has counted.

    Args:
        n_items: rows.

    Attributes:
        values: int32 [columns, items, MAX_VALUES], equal for equal values, 0 = none; replaced when a column comes.
    """

    def __init__(self, n_items: int) -> None:
        self._n = n_items
        self.values: NDArray[np.int32] = np.zeros((0, 0, MAX_VALUES), np.int32)
        self._columns: dict[str, int] = {}
        self._complete: set[str] = set()

    def column(self, attribute: str) -> int:
        """Which is this attribute's."""
        if attribute not in self._columns:
            self._columns[attribute] = len(self._columns)
            more = np.zeros((len(self._columns), self._n, MAX_VALUES), np.int32)
            if len(self._columns) > 1:
                more[:-1] = self.values
            self.values = more
        return self._columns[attribute]

    @property
    def attributes(self) -> frozenset[str]:
        """All that have a column."""
        return frozenset(self._columns)

    @property
    def incomplete(self) -> frozenset[str]:
        """Those that not all items were noted for."""
        return self.attributes - self._complete

    def complete(self, attributes: Collection[str]) -> None:
        """All items were noted for these."""
        self._complete.update(attributes)

    def doubt(self) -> None:
        """Items may have changed and not been noted."""
        self._complete.clear()

    def note(self, rows: NDArray[np.int64], items: Sequence[Item], attributes: Collection[str]) -> None:
        """What the items in rows have of these attributes, which have columns."""
        for attribute in attributes:
            column = self._columns[attribute]
            self.values[column, rows] = 0
            for row, item in zip(rows.tolist(), items, strict=True):
                values = values_of(item, attribute)
                self.values[column, row, : len(values)] = values
