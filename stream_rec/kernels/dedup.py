"""Deduplication by event id: the last ids of one partition in a ring, and a hash table over it.

`slots` is open addressing with linear probing; what the ring overwrites is removed from the table by shifting its
cluster back (Knuth, TAOCP 3, 6.4, algorithm R), so look-ups stay short for ever.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel, kernel_inner


class DedupWindow(NamedTuple):
    """The last w distinct event ids of a partition.

    Attributes:
        hashes: uint64 [w], a ring of hashes of ids (never 0).
        slots: int32 [a power of two >= 2 w], place in the ring + 1; 0 = empty.
        n_taken: int64 [1], ids ever taken in; the next one goes to place n_taken % w.
    """

    hashes: NDArray[np.uint64]
    slots: NDArray[np.int32]
    n_taken: NDArray[np.int64]


@kernel_inner
def _slot_of(window, id_hash):
    """The slot that holds an id, or the empty one where it would go."""
    mask = window.slots.shape[0] - 1
    at = np.int64(id_hash & np.uint64(mask))
    while window.slots[at] != 0 and window.hashes[window.slots[at] - 1] != id_hash:
        at = (at + 1) & mask
    return at


@kernel_inner
def _forget(window, id_hash):
    """Remove an id from the table."""
    mask = window.slots.shape[0] - 1
    hole = _slot_of(window, id_hash)
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
    """Look up each id, then take it in, one after the other.

    repeated[i] = id i is among the last w distinct ones before it.

    Args:
        window: changed in place. An id that is already there keeps its age.
        hashes: uint64 [n]; 0 = the event has no id: never a repeat, and not taken in.
        first: index of the first id to look up; those before it are left alone.
        repeated: bool [n], filled from `first` on.

    Returns:
        How many are repeats.
    """
    width = window.hashes.shape[0]
    n_repeated = 0
    for i in range(first, hashes.shape[0]):
        id_hash = hashes[i]
        repeated[i] = False
        if id_hash == np.uint64(0):
            continue
        if window.slots[_slot_of(window, id_hash)] != 0:
            repeated[i] = True
            n_repeated += 1
            continue
        place = window.n_taken[0] % width
        if window.n_taken[0] >= width:
            _forget(window, window.hashes[place])
        window.hashes[place] = id_hash
        window.slots[_slot_of(window, id_hash)] = place + 1
        window.n_taken[0] += 1
    return n_repeated


@kernel
def rebuild(window):
    """Fill the empty table from the ring."""
    for place in range(min(window.n_taken[0], window.hashes.shape[0])):
        window.slots[_slot_of(window, window.hashes[place])] = place + 1
