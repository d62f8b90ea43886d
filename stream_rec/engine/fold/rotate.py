"""Items that a user was shown and has not clicked fade, and recover: read from the join of impressions.

A place that was not clicked counts 2 ** -(age / recovers), as of event time; what was shown before the item was last
clicked counts nothing. Beyond the first `after` of them, each multiplies the item's odds by the scenario's factor.
Of a user's impressions the newest `attribution_state.MAX_WALK` are read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.attribution import bucket_of, fingerprint
from stream_rec.kernels.attribution_state import CLICKED, MAX_WALK, AttributionState
from stream_rec.kernels.codes import ROW_MASK
from stream_rec.kernels.compile import kernel_inner, kernel_unlocked
from stream_rec.kernels.reference import lend

SLOTS = 4096
"""Of the table of one user's items, a power of two; half of them are used at most."""


class Rotation(NamedTuple):
    """Of a scenario.

    Attributes:
        factor: ln of what each counted impression multiplies an item's odds by, 0 = nothing fades.
        after: so many cost nothing.
        recovers: seconds in which half of the fading is gone.
    """

    factor: float = 0.0
    after: float = 0.0
    recovers: float = 1.0


class Faded(NamedTuple):
    """Working memory: what one user was shown, a hash table.

    Attributes:
        items: uint32 [SLOTS], fingerprints, 0 = free.
        counts: float32 [SLOTS], impressions without a click.
        is_settled: bool [SLOTS], a click was met: what was shown before it counts nothing.
        used: int32 [SLOTS // 2], slots that are taken.
        n_used: int64 [1].
    """

    items: NDArray[np.uint32]
    counts: NDArray[np.float32]
    is_settled: NDArray[np.bool_]
    used: NDArray[np.int32]
    n_used: NDArray[np.int64]


def empty_faded() -> Faded:
    """Room for one user's items."""
    return Faded(
        np.zeros(SLOTS, np.uint32),
        np.zeros(SLOTS, np.float32),
        np.zeros(SLOTS, np.bool_),
        np.zeros(SLOTS // 2, np.int32),
        np.zeros(1, np.int64),
    )


@kernel_inner
def _slot_of(faded, item):
    """The slot of a fingerprint, or the free one where it would stand."""
    at = np.int64(item) & (SLOTS - 1)
    while faded.items[at] != 0 and faded.items[at] != item:
        at = (at + 1) & (SLOTS - 1)
    return at


@kernel_inner
def _note(faded, item, weight, is_clicked):
    at = _slot_of(faded, item)
    if faded.items[at] == 0:
        if faded.n_used[0] == faded.used.shape[0] or item == 0:
            return
        faded.items[at] = item
        faded.counts[at] = np.float32(0.0)
        faded.is_settled[at] = False
        faded.used[faded.n_used[0]] = at
        faded.n_used[0] += 1
    if faded.is_settled[at]:
        return
    if is_clicked:
        faded.is_settled[at] = True
    else:
        faded.counts[at] += weight


@kernel_inner
def gather(shown: AttributionState, user, now, rotation, faded):
    """What a user (a hash) was shown, newest impression first; into an empty table or that of another user."""
    for j in range(faded.n_used[0]):
        faded.items[faded.used[j]] = 0
    faded.n_used[0] = 0
    entries, ring = shown.exposures.entries, shown.places.item
    number = shown.exposures.heads[bucket_of(shown.exposures.heads, user)]
    for _ in range(MAX_WALK):
        if number < shown.counters[0].oldest_exposure:
            break
        exposure = entries[number % entries.shape[0]]
        if exposure.user == user:
            weight = np.float32(2.0 ** (-max(now - exposure.ts, 0.0) / rotation.recovers))
            for place in range(exposure.length):
                at = (exposure.first + place) % ring.shape[0]
                _note(faded, ring[at], weight, shown.places.done[at] & CLICKED != 0)
        number = exposure.before


@kernel_inner
def fade_of(faded, rotation, item_hash):
    """What is added to the score of an item (a hash): 0, or less."""
    at = _slot_of(faded, fingerprint(item_hash))
    if faded.items[at] == 0:
        return np.float32(0.0)
    return np.float32(rotation.factor * max(faded.counts[at] - rotation.after, 0.0))


@kernel_inner
def fade_candidates(state, query, rotation, faded):
    """All candidates of the query."""
    for c in range(query.n_candidates[0]):
        query.scores[c] += fade_of(faded, rotation, state.items.hashes[query.codes[c] & ROW_MASK])


@kernel_inner
def fade_listed(state, rotation, faded, pool, first, n):
    """The places from `first` on of a pool, which no ranker has scored: each tier in its new order."""
    for at in range(first, n):
        if pool.candidates[at] < 0:
            pool.scores[at] += fade_of(faded, rotation, state.items.hashes[pool.codes[at] & ROW_MASK])
    for at in range(first + 1, n):
        code, score, c, mark = pool.codes[at], pool.scores[at], pool.candidates[at], pool.marks[at]
        to = at
        while to > first and pool.marks[to - 1] == mark and pool.scores[to - 1] < score:
            pool.codes[to], pool.scores[to] = pool.codes[to - 1], pool.scores[to - 1]
            pool.candidates[to] = pool.candidates[to - 1]
            to -= 1
        pool.codes[to], pool.scores[to], pool.candidates[to] = code, score, c


@kernel_unlocked
def fades(shown, user, now, rotation, faded, item_hashes, out):
    """float32 out [n] = what is added to the scores of these items (hashes) for a user (a hash)."""
    rotation, faded = lend(rotation), lend(faded)
    gather(shown, user, now, rotation, faded)
    for j in range(item_hashes.shape[0]):
        out[j] = fade_of(faded, rotation, item_hashes[j])
