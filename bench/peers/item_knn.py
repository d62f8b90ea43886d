"""Incremental item-kNN: cosine between items by who had both (Sarwar et al. 2001; Miranda & Jorge 2009)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bench.peers.histories import NONE, Histories, append, last_items, longer
from bench.peers.protocol import NOTHING, Ranking, Settings
from bench.peers.stream import Events, Query
from bench.peers.top import top


class Pairs(NamedTuple):
    """How many rows had both of two items; every pair stands in both directions.

    Attributes:
        size: int64 [1], pairs so far.
        table: int32 [2^b], pair at each place of an open-addressed table; NONE = free.
        a: int32 [pairs].
        b: int32 [pairs].
        together: int32 [pairs].
        next_of_a: int32 [pairs], the next pair with the same a.
        first_of: int32 [items], head of that list.
        rows_with: int32 [items], rows that had the item.
    """

    size: NDArray[np.int64]
    table: NDArray[np.int32]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    together: NDArray[np.int32]
    next_of_a: NDArray[np.int32]
    first_of: NDArray[np.int32]
    rows_with: NDArray[np.int32]

    @classmethod
    def empty(cls) -> Pairs:
        """No pairs."""
        table = np.full(1024, NONE, np.int32)
        return cls(np.zeros(1, np.int64), table, *(np.zeros(0, np.int32) for _ in range(6)))

    def with_room(self, n_more: int, n_items: int) -> Pairs:
        """The same with place for more pairs; the table stays at most half full."""
        n = int(self.size[0]) + n_more
        a, b, together, next_of_a = (longer(array, n) for array in self[2:6])
        table = self.table
        if 2 * n > len(table):
            table = np.full(1 << (4 * n - 1).bit_length(), NONE, np.int32)
            _fill(table, a, b, int(self.size[0]))
        first_of, rows_with = longer(self.first_of, n_items), longer(self.rows_with, n_items, fill=0)
        return Pairs(self.size, table, a, b, together, next_of_a, first_of, rows_with)


class ItemKnn:
    """An item scores the sum of its cosines to the last items of the row.

    Settings:
        of: rows are `user`s or `session`s.
        window: an event is paired with so many of the row's last different items, and the same are asked with.
        shrink: added to the cosine's denominator, against pairs that were seen once.
    """

    def __init__(self, settings: Settings) -> None:
        self._of: str = settings["of"]
        self._window: int = settings["window"]
        self._shrink: float = settings["shrink"]
        self._histories = Histories.empty()
        self._pairs = Pairs.empty()

    def learn(self, events: Events) -> None:
        """An item that the row had within the window adds no pairs."""
        rows, items = events.rows(self._of), events.items
        for first in range(0, len(items), 1024):
            part = slice(first, first + 1024)
            self._histories = self._histories.with_room(rows[part], items[part])
            n_items = len(self._histories.last_of_item)
            self._pairs = self._pairs.with_room(2 * len(items[part]) * self._window, n_items)
            _learn(self._histories, self._pairs, rows[part], items[part], self._window)

    def rank(self, query: Query) -> Ranking:
        """Only items that are in a pair with one of the row's are listed."""
        basis = last_items(self._histories, query.row(self._of), self._window)
        if not len(basis):
            return NOTHING
        return top(_scores(self._pairs, basis, self._shrink), query.left_out, query.k)


@njit(cache=True)
def _place(table: NDArray[np.int32], a: NDArray[np.int32], b: NDArray[np.int32], i: int, j: int) -> int:
    """Where the pair (i, j) is in the table, or the free place for it."""
    mask = len(table) - 1
    at = ((i * 0x9E3779B1) ^ (j * 0x85EBCA6B)) & mask
    while table[at] != NONE and (a[table[at]] != i or b[table[at]] != j):
        at = (at + 1) & mask
    return at


@njit(cache=True)
def _fill(table: NDArray[np.int32], a: NDArray[np.int32], b: NDArray[np.int32], n: int) -> None:
    for pair in range(n):
        table[_place(table, a, b, a[pair], b[pair])] = pair


@njit(cache=True)
def _count(p: Pairs, i: int, j: int) -> None:
    at = _place(p.table, p.a, p.b, i, j)
    if p.table[at] == NONE:
        pair = p.size[0]
        p.table[at] = pair
        p.a[pair], p.b[pair], p.together[pair] = i, j, 0
        p.next_of_a[pair] = p.first_of[i]
        p.first_of[i] = pair
        p.size[0] = pair + 1
    p.together[p.table[at]] += 1


@njit(cache=True)
def _learn(h: Histories, p: Pairs, rows: NDArray[np.int32], items: NDArray[np.int32], window: int) -> None:
    for event in range(len(items)):
        row, item = rows[event], items[event]
        before = last_items(h, row, window)
        if not (before == item).any():
            p.rows_with[item] += 1
            for other in before:
                _count(p, item, other)
                _count(p, other, item)
        append(h, row, item)


@njit(cache=True)
def _scores(p: Pairs, basis: NDArray[np.int32], shrink: float) -> NDArray[np.float64]:
    scores = np.full(len(p.first_of), -np.inf)
    for i in basis:
        pair = p.first_of[i]
        while pair != NONE:
            j = p.b[pair]
            length = np.sqrt(p.rows_with[i] * p.rows_with[j])
            scores[j] = max(scores[j], 0.0) + p.together[pair] / (length + shrink)
            pair = p.next_of_a[pair]
    return scores
