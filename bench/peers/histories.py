"""Rows (users or sessions) and their events, linked backwards; shared by the neighbourhood peers, in numba."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

NONE = -1


class Histories(NamedTuple):
    """Events in the order learned. Arrays are longer than what is filled.

    Attributes:
        size: int64 [1], events so far.
        item: int32 [events].
        row: int32 [events].
        before_in_row: int32 [events], the row's event before.
        before_of_item: int32 [events], the item's event before.
        last_in_row: int32 [rows].
        last_of_item: int32 [items].
    """

    size: NDArray[np.int64]
    item: NDArray[np.int32]
    row: NDArray[np.int32]
    before_in_row: NDArray[np.int32]
    before_of_item: NDArray[np.int32]
    last_in_row: NDArray[np.int32]
    last_of_item: NDArray[np.int32]

    @classmethod
    def empty(cls) -> Histories:
        """Nothing learned."""
        return cls(np.zeros(1, np.int64), *(np.zeros(0, np.int32) for _ in range(6)))

    def with_room(self, rows: NDArray[np.int32], items: NDArray[np.int32]) -> Histories:
        """The same with place for these events."""
        n = int(self.size[0]) + len(items)
        links = (longer(array, n) for array in self[1:5])
        last_in_row = longer(self.last_in_row, int(rows.max(initial=-1)) + 1)
        return Histories(
            self.size, *links, last_in_row, longer(self.last_of_item, int(items.max(initial=-1)) + 1)
        )


def longer(array: NDArray[np.int32], n: int, fill: int = NONE) -> NDArray[np.int32]:
    """The array itself if it has n places, else one with twice as many or more."""
    if len(array) >= n:
        return array
    return np.concatenate((array, np.full(max(n, 2 * len(array)) - len(array), fill, np.int32)))


@njit(cache=True)
def append(h: Histories, row: int, item: int) -> None:
    """One event; there must be room."""
    event = h.size[0]
    h.item[event] = item
    h.row[event] = row
    h.before_in_row[event] = h.last_in_row[row]
    h.before_of_item[event] = h.last_of_item[item]
    h.last_in_row[row] = event
    h.last_of_item[item] = event
    h.size[0] = event + 1


@njit(cache=True)
def last_items(h: Histories, row: int, n: int) -> NDArray[np.int32]:
    """The row's last different items, latest first; at most n, looked for among its last 8 n events."""
    found = np.empty(n, np.int32)
    m = 0
    event = h.last_in_row[row] if row < len(h.last_in_row) else NONE
    for _ in range(8 * n):
        if event == NONE or m == n:
            break
        item = h.item[event]
        known = False
        for i in range(m):
            known |= found[i] == item
        if not known:
            found[m] = item
            m += 1
        event = h.before_in_row[event]
    return found[:m]
