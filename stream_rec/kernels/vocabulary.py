"""Id-to-row tables: open addressing with linear probing over 64-bit hashes, ids compared byte by byte.

`slots` int32 [a power of two >= 2 x rows] holds row + 1 (0 = empty). Removal shifts the cluster back (Knuth, TAOCP 3,
6.4, algorithm R), so there are no tombstones and look-ups stay short however often rows are reused.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.kernels.records import record

SWEEP = 32
"""Rows examined to find one to evict; the one silent for longest is evicted."""

LONG_SWEEP = 4096
"""Rows examined for one that was never used, at most."""
UNUSED = -1e15
"""Added to `seen` of what was never used: it is older than all that was, and among its like by its own time."""
UNUSED_BELOW = UNUSED / 2

COUNTERS = record(
    [
        ("n_rows", np.int64),  # rows ever taken
        ("hand", np.int64),  # row at which the next sweep begins
        ("arena_end", np.int64),  # bytes of the arena in use, dead ids included
        ("arena_live", np.int64),  # bytes of the ids that have a row
        ("evicted", np.int64),  # ids that lost their row to another one
    ]
)


class VocabularyState(NamedTuple):
    """State of one vocabulary.

    Attributes:
        slots: int32 [capacity].
        hashes: uint64 [rows].
        starts: int64 [rows], where the id's bytes begin in the arena.
        lengths: int32 [rows], bytes of the id; -1 = the row is free.
        seen: float64 [rows], event time of the last event of this row; below UNUSED_BELOW = there was none.
        arena: uint8 [bytes], grows outside of the kernels.
        counters: COUNTERS [1].
    """

    slots: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int32]
    seen: NDArray[np.float64]
    arena: NDArray[np.uint8]
    counters: NDArray[np.void]


def empty(rows: int, arena_bytes: int) -> VocabularyState:
    """A vocabulary without ids, of so many rows at most."""
    return VocabularyState(
        slots=np.zeros(1 << (2 * rows - 1).bit_length(), np.int32),
        hashes=np.zeros(rows, np.uint64),
        starts=np.zeros(rows, np.int64),
        lengths=np.zeros(rows, np.int32),
        seen=np.zeros(rows, np.float64),
        arena=np.zeros(arena_bytes, np.uint8),
        counters=np.zeros(1, COUNTERS),
    )


@kernel
def find(vocabulary, data, start, end, id_hash):
    """Row of the id data[start:end], or -1."""
    mask = vocabulary.slots.shape[0] - 1
    at = np.int64(id_hash & np.uint64(mask))
    while True:
        row = vocabulary.slots[at] - 1
        if row < 0:
            return -1
        if vocabulary.hashes[row] == id_hash and vocabulary.lengths[row] == end - start:
            first = vocabulary.starts[row]
            same = True
            for i in range(end - start):
                if vocabulary.arena[first + i] != data[start + i]:
                    same = False
                    break
            if same:
                return row
        at = (at + 1) & mask


@kernel
def find_hash(vocabulary, id_hash):
    """Row of the id with this hash, or -1. Two ids of one hash (a chance of 1 in 2^64) are not told apart."""
    mask = vocabulary.slots.shape[0] - 1
    at = np.int64(id_hash & np.uint64(mask))
    while True:
        row = np.int64(vocabulary.slots[at]) - 1
        if row < 0 or vocabulary.hashes[row] == id_hash:
            return row
        at = (at + 1) & mask


@kernel
def unlink(vocabulary, row):
    """Remove the id of a row, and its bytes; the row is free (length -1) and the first to go in the next sweep."""
    slots = vocabulary.slots
    mask = slots.shape[0] - 1
    at = np.int64(vocabulary.hashes[row] & np.uint64(mask))
    while slots[at] != row + 1:
        at = (at + 1) & mask
    hole = at
    while True:
        at = (at + 1) & mask
        other = slots[at] - 1
        if other < 0:
            break
        home = np.int64(vocabulary.hashes[other] & np.uint64(mask))
        if ((at - home) & mask) >= ((at - hole) & mask):
            slots[hole] = slots[at]
            hole = at
    slots[hole] = 0
    first = vocabulary.starts[row]
    for i in range(vocabulary.lengths[row]):
        vocabulary.arena[first + i] = 0
    vocabulary.counters[0].arena_live -= vocabulary.lengths[row]
    vocabulary.lengths[row] = -1
    vocabulary.hashes[row] = np.uint64(0)
    vocabulary.seen[row] = -np.inf


@kernel
def oldest_of_sweep(vocabulary):
    """The row to evict when all are taken: of the next SWEEP rows the one silent for longest. Moves the hand."""
    counters = vocabulary.counters[0]
    n_rows, hand = counters.n_rows, counters.hand
    oldest = hand % n_rows
    for i in range(min(SWEEP, n_rows)):
        row = (hand + i) % n_rows
        if vocabulary.seen[row] < vocabulary.seen[oldest]:
            oldest = row
    counters.hand = (hand + SWEEP) % n_rows
    return oldest


@kernel_inner
def unused_of_sweep(vocabulary):
    """As oldest_of_sweep, but the sweep goes on, up to LONG_SWEEP rows, until it meets one that no event was about.

    So what is only in the catalogue goes before what people use.
    """
    counters = vocabulary.counters[0]
    n_rows, hand = counters.n_rows, counters.hand
    oldest = hand % n_rows
    n = 0
    while n < min(LONG_SWEEP, n_rows) and (n < SWEEP or vocabulary.seen[oldest] >= UNUSED_BELOW):
        row = (hand + n) % n_rows
        if vocabulary.seen[row] < vocabulary.seen[oldest]:
            oldest = row
        n += 1
    counters.hand = (hand + n) % n_rows
    return oldest


@kernel
def insert(vocabulary, data, start, end, id_hash, row):
    """Give an id that has no row a new one, or one whose id is evicted. The arena has room for it."""
    counters = vocabulary.counters[0]
    if row == counters.n_rows:
        counters.n_rows = row + 1
    elif vocabulary.lengths[row] >= 0:
        unlink(vocabulary, row)
        counters.evicted += 1
    first, length = counters.arena_end, end - start
    for i in range(length):
        vocabulary.arena[first + i] = data[start + i]
    vocabulary.starts[row] = first
    vocabulary.lengths[row] = length
    vocabulary.hashes[row] = id_hash
    counters.arena_end = first + length
    counters.arena_live += length
    mask = vocabulary.slots.shape[0] - 1
    at = np.int64(id_hash & np.uint64(mask))
    while vocabulary.slots[at] != 0:
        at = (at + 1) & mask
    vocabulary.slots[at] = row + 1


@kernel
def find_all(vocabulary, data, ends, hashes, rows):
    """rows[i] = row of id i, or -1."""
    start = np.int64(0)
    for i in range(ends.shape[0]):
        rows[i] = find(vocabulary, data, start, ends[i], hashes[i]) if hashes[i] != np.uint64(0) else -1
        start = ends[i]


@kernel
def compact(vocabulary, arena):
    """Copy the live ids, in row order, to a new arena and point the rows there."""
    end = np.int64(0)
    for row in range(vocabulary.counters[0].n_rows):
        first = vocabulary.starts[row]
        length = max(vocabulary.lengths[row], 0)
        for i in range(length):
            arena[end + i] = vocabulary.arena[first + i]
        vocabulary.starts[row] = end
        end += length
    vocabulary.counters[0].arena_end = end
