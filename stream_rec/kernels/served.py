"""The last written slate of many users, in sets of WAYS slots."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.kernels.ids import mix
from stream_rec.kernels.records import record

WAYS = 8
"""A user may stand in any slot of the set the hash names; the one whose slate is oldest makes room."""
UNKNOWN = -1
"""The rank of an item when it is not known what the user was served."""


COUNTERS = record(
    [
        ("writes", np.int64),  # slates kept so far
        ("evicted", np.int64),  # users whose slate made room for another user's
    ]
)


class ServedState(NamedTuple):
    """Slates cut at width k.

    Attributes:
        user: uint64 [sets, WAYS], hash.
        written: int64 [sets, WAYS], number of the write; 0 = empty slot.
        items: uint64 [sets, WAYS, k], hashes, best first, 0 = no item.
        counters: COUNTERS [1].
    """

    user: NDArray[np.uint64]
    written: NDArray[np.int64]
    items: NDArray[np.uint64]
    counters: NDArray[np.void]


@kernel_inner
def set_of(state, user):
    """Set of a user."""
    return np.int64(mix(user) % np.uint64(state.user.shape[0]))


@kernel_inner
def rank_in(items, item):
    """Place (from 1) of an item in a row of hashes that ends at the first 0; 0 = not there."""
    for place in range(items.shape[0]):
        if items[place] == item:
            return place + 1
        if items[place] == 0:
            return 0
    return 0


@kernel_inner
def slot_for(state, row, user):
    """The user's slot of a set, else the one to overwrite: an empty one, or that of the oldest slate."""
    way = 0
    for other in range(WAYS):
        if state.written[row, other] > 0 and state.user[row, other] == user:
            return other
        if state.written[row, other] < state.written[row, way]:
            way = other
    return way


@kernel
def put(state, users, items, replace):
    """Keep the slates of n users.

    Args:
        state: changed in place.
        users: uint64 [n], hashes.
        items: uint64 [n, any], hashes, best first, padded with 0; cut or padded to the state's width.
        replace: bool; False = a slate that is already there stays.
    """
    counters = state.counters[0]
    width = state.items.shape[2]
    for i in range(users.shape[0]):
        row = set_of(state, users[i])
        way = slot_for(state, row, users[i])
        if state.written[row, way] > 0:
            if state.user[row, way] != users[i]:
                counters.evicted += 1
            elif not replace:
                continue
        counters.writes += 1
        state.user[row, way], state.written[row, way] = users[i], counters.writes
        for place in range(width):
            # Typed: a plain 0 would make the choice a float, and round hashes above 2^53.
            state.items[row, way, place] = items[i, place] if place < items.shape[1] else np.uint64(0)


@kernel
def ranks(state, fallback, users, items, out):
    """out[i] = rank of items[i] in what users[i] was last served, 0 = miss, UNKNOWN = not in the cache.

    A cached slate without items stands for a user who has none: a reader is then given `fallback` (uint64 [any]).
    """
    for i in range(users.shape[0]):
        row = set_of(state, users[i])
        out[i] = UNKNOWN
        for way in range(WAYS):
            if state.written[row, way] > 0 and state.user[row, way] == users[i]:
                slate = state.items[row, way]
                out[i] = rank_in(slate, items[i]) if slate[0] != 0 else rank_in(fallback, items[i])
                break


@kernel
def ranks_in_list(listed, items, out):
    """out[i] = rank of items[i] in one list for all, uint64 [any], 0 = miss."""
    for i in range(items.shape[0]):
        out[i] = rank_in(listed, items[i])
