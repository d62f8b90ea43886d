"""Id-to-row tables: open addressing with linear probing over 64-bit hashes, ids compared byte by byte.

`slots` int32 [a power of two >= 2 x rows] holds row + 1 (0 = empty). Removal shifts the cluster back (Knuth, TAOCP 3,
6.4, algorithm R), so there are no tombstones and look-ups stay short however often rows are reused.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel

N_ROWS, HAND, ARENA_END, ARENA_LIVE, EVICTED = 0, 1, 2, 3, 4
SWEEP = 32
"""Rows looked at to find one that may go; the longest silent of them goes."""


class VocabularyState(NamedTuple):
    """State of one vocabulary.

    Attributes:
        slots: int32 [capacity].
        hashes: uint64 [rows].
        starts: int64 [rows], where the id's bytes begin in the arena.
        lengths: int32 [rows].
        seen: float64 [rows], event time of the last event of this row.
        arena: uint8 [bytes], grows outside of the kernels.
        scalars: int64 [8], see N_ROWS ... EVICTED.
    """

    slots: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int32]
    seen: NDArray[np.float64]
    arena: NDArray[np.uint8]
    scalars: NDArray[np.int64]


@kernel
def find(v, data, start, end, h):
    """Row of an id, or -1."""
    mask = v.slots.shape[0] - 1
    at = np.int64(h & np.uint64(mask))
    while True:
        row = v.slots[at] - 1
        if row < 0:
            return -1
        if v.hashes[row] == h and v.lengths[row] == end - start:
            a = v.starts[row]
            same = True
            for i in range(end - start):
                if v.arena[a + i] != data[start + i]:
                    same = False
                    break
            if same:
                return row
        at = (at + 1) & mask


@kernel
def unlink(v, row):
    """Take an id out of the table; its row is free (length -1) and goes first in the next sweep that sees it."""
    mask = v.slots.shape[0] - 1
    at = np.int64(v.hashes[row] & np.uint64(mask))
    while v.slots[at] != row + 1:
        at = (at + 1) & mask
    hole = at
    while True:
        at = (at + 1) & mask
        other = v.slots[at] - 1
        if other < 0:
            break
        home = np.int64(v.hashes[other] & np.uint64(mask))
        if ((at - home) & mask) >= ((at - hole) & mask):
            v.slots[hole] = v.slots[at]
            hole = at
    v.slots[hole] = 0
    v.scalars[ARENA_LIVE] -= v.lengths[row]
    v.lengths[row] = -1
    v.hashes[row] = np.uint64(0)
    v.seen[row] = -np.inf


@kernel
def oldest_of_sweep(v):
    """The row that goes next when all are taken: the longest silent of the next SWEEP rows; moves the hand."""
    n = v.scalars[N_ROWS]
    hand = v.scalars[HAND]
    best = hand % n
    for i in range(min(SWEEP, n)):
        row = (hand + i) % n
        if v.seen[row] < v.seen[best]:
            best = row
    v.scalars[HAND] = (hand + SWEEP) % n
    return best


@kernel
def insert(v, data, start, end, h, row):
    """Give an id that is not in the table a row (a new one, or one whose id goes). The arena has room."""
    if row == v.scalars[N_ROWS]:
        v.scalars[N_ROWS] = row + 1
    elif v.lengths[row] >= 0:
        unlink(v, row)
        v.scalars[EVICTED] += 1
    a = v.scalars[ARENA_END]
    for i in range(end - start):
        v.arena[a + i] = data[start + i]
    v.starts[row] = a
    v.lengths[row] = end - start
    v.hashes[row] = h
    v.scalars[ARENA_END] = a + (end - start)
    v.scalars[ARENA_LIVE] += end - start
    mask = v.slots.shape[0] - 1
    at = np.int64(h & np.uint64(mask))
    while v.slots[at] != 0:
        at = (at + 1) & mask
    v.slots[at] = row + 1


@kernel
def find_all(v, data, ends, hashes, rows):
    """rows[i] = row of id i, or -1."""
    start = np.int64(0)
    for i in range(ends.shape[0]):
        rows[i] = find(v, data, start, ends[i], hashes[i]) if hashes[i] != np.uint64(0) else -1
        start = ends[i]


@kernel
def compact(v, arena):
    """Copy the live ids, in row order, to a new arena and point the rows there."""
    end = np.int64(0)
    for row in range(v.scalars[N_ROWS]):
        a = v.starts[row]
        for i in range(max(v.lengths[row], 0)):
            arena[end + i] = v.arena[a + i]
        v.starts[row] = end
        end += max(v.lengths[row], 0)
    v.scalars[ARENA_END] = end
