"""Was this event's id here before? The last ids of one partition: a ring, and a table to find an id in it.

`slots` is open addressing with linear probing; what the ring pushes out is taken out of the table by shifting its
cluster back (Knuth, TAOCP 3, 6.4, algorithm R), so look-ups stay short for ever.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel


class RepeatWindow(NamedTuple):
    """The last w different event ids of a partition.

    Attributes:
        hashes: uint64 [w], a ring of hashes of ids (never 0).
        slots: int32 [a power of two >= 2 w], place in the ring + 1; 0 = empty.
        marks: int64 [1]: ids taken so far; the next one goes to place marks % w.
    """

    hashes: NDArray[np.uint64]
    slots: NDArray[np.int32]
    marks: NDArray[np.int64]


@kernel
def _slot_of(window, h):
    """The slot that holds h, or the empty one where it would go."""
    mask = window.slots.shape[0] - 1
    at = np.int64(h & np.uint64(mask))
    while window.slots[at] != 0 and window.hashes[window.slots[at] - 1] != h:
        at = (at + 1) & mask
    return at


@kernel
def _forget(window, h):
    mask = window.slots.shape[0] - 1
    hole = _slot_of(window, h)
    at = hole
    while True:
        at = (at + 1) & mask
        if window.slots[at] == 0:
            break
        home = np.int64(window.hashes[window.slots[at] - 1] & np.uint64(mask))
        if (at - home) & mask >= (at - hole) & mask:
            window.slots[hole] = window.slots[at]
            hole = at
    window.slots[hole] = 0


@kernel
def mark(window, hashes, first, repeated):
    """Test ids, then take them in, one after the other.

    repeated[i] = id i is among the last w different ones before it.

    Args:
        window: changed in place. An id that is there already keeps its age.
        hashes: uint64 [n]; 0 = the event has no id: never a repeat, and not taken in.
        first: where to begin; what is before is not looked at.
        repeated: bool [n], out, from `first` on.

    Returns:
        How many are repeats.
    """
    w = window.hashes.shape[0]
    n_repeated = 0
    for i in range(first, hashes.shape[0]):
        h = hashes[i]
        repeated[i] = False
        if h == np.uint64(0):
            continue
        if window.slots[_slot_of(window, h)] != 0:
            repeated[i] = True
            n_repeated += 1
            continue
        place = window.marks[0] % w
        if window.marks[0] >= w:
            _forget(window, window.hashes[place])
        window.hashes[place] = h
        window.slots[_slot_of(window, h)] = place + 1
        window.marks[0] += 1
    return n_repeated


@kernel
def rebuild(window):
    """Fill the empty table from the ring."""
    for place in range(min(window.marks[0], window.hashes.shape[0])):
        window.slots[_slot_of(window, window.hashes[place])] = place + 1
