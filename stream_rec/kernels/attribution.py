"""Joining what was shown with what was done, both ways round, in rings of fixed size.

Impressions and interactions come from two topics, so either may be learned first. Each side is a ring in the order of
learning, and each ring has hash chains: `heads[bucket]` is the number of the bucket's newest entry, `before[slot]` that
of the next older one. Numbers grow for ever, entry s stands in slot s % length, and a chain ends where it reaches an
entry that the ring has overwritten; so nothing is ever deleted, and the oldest goes first.

Times are event times in seconds. Items are kept as 32-bit fingerprints: a false match is a 2**-32 chance per place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel
from stream_rec.kernels.ids import mix
from stream_rec.kernels.shown import Cells, ItemCounts, count_item, describe, find_cell

MAX_WALK = 32
"""Entries of one chain that are looked at, newest first: one flood of a user costs no more than this."""
MAX_PLACES = 200
"""Places of an impression that are kept; a slate is never longer."""

CONVERSION, DWELL, JOINED = 1, 2, 4
"""Bits of an interaction's kind; JOINED = it has been credited to an impression."""
CLICKED, CONVERTED = 1, 2
"""Bits of a place: what has been credited to it."""

(
    IMPRESSIONS,
    PLACES,
    CLICKED_IMPRESSIONS,
    CLICKED_PLACES,
    CLICK_RANKS,
    CONVERSIONS,
    VALUED_CONVERSIONS,
    CONVERSION_VALUE,
    DWELLS,
    DWELL_SECONDS,
    NOVELTY_BITS,
    CUT_SHORT,
) = range(12)
"""Columns of a cell's sums."""
N_SUMS = 12

NEXT_EXPOSURE, OLDEST_EXPOSURE, NEXT_PLACE, NEXT_INTERACTION, LOST_OUTCOMES = range(5)
"""Places of `marks`: ring numbers, and outcomes whose impression's cell was gone."""
N_MARKS = 5


EXPOSURE = np.dtype(
    [
        ("user", np.uint64),  # hash
        ("ts", np.float64),
        ("before", np.int64),  # chain
        ("signature", np.uint64),  # one bit per item: says at once that most items are not there
        ("first", np.int64),  # number of its first place in the ring of places
        ("cell", np.int64),  # number of the cell it is counted in
        ("length", np.int32),  # places
        ("clicked", np.int32),  # 1 = some place was clicked
    ]
)
"""An open impression; what a walk along a chain reads stands together, for the sake of the processor's cache."""

INTERACTION = np.dtype(
    [
        ("user", np.uint64),  # hash
        ("ts", np.float64),
        ("before", np.int64),  # chain
        ("item", np.uint32),  # fingerprint
        ("value", np.float32),  # NaN = none
        ("kind", np.int64),  # bits CONVERSION, DWELL, JOINED
    ]
)
"""An interaction that an impression may still be joined with."""


class Ring(NamedTuple):
    """Entries with B hash chains by user.

    Attributes:
        entries: EXPOSURE or INTERACTION [n].
        heads: int64 [B], B a power of two.
    """

    entries: NDArray[np.void]
    heads: NDArray[np.int64]


class Places(NamedTuple):
    """Ring of the places of all open impressions.

    Attributes:
        item: uint32 [p], fingerprint.
        done: uint8 [p], bits CLICKED, CONVERTED.
    """

    item: NDArray[np.uint32]
    done: NDArray[np.uint8]


class AttributionState(NamedTuple):
    """All of it; `marks` is int64 [N_MARKS]."""

    exposures: Ring
    places: Places
    interactions: Ring
    items: ItemCounts
    cells: Cells
    marks: NDArray[np.int64]


@kernel
def fingerprint(item):
    """32 bits of an item's hash."""
    return np.uint32(mix(item) >> np.uint64(32))


@kernel
def bucket_of(heads, user):
    """Chain of a user."""
    return np.int64(mix(user) & np.uint64(heads.shape[0] - 1))


@kernel
def bit_of(item):
    """Bit of an item in a signature."""
    return np.uint64(1) << np.uint64(item & np.uint32(63))


@kernel
def place_of(ring, exposure, item):
    """First place (from 0) of an item in an impression, or -1; ring is that of the places' items."""
    if not exposure.signature & bit_of(item):
        return -1
    at = exposure.first % ring.shape[0]
    for place in range(exposure.length):
        if ring[at] == item:
            return place
        at += 1
        if at == ring.shape[0]:
            at = 0
    return -1


@kernel
def credit(state, exposure, place, kind, value):
    """Count an interaction with a shown item in the cell of the impression.

    A place is clicked at most once and converts at most once; dwell adds up.
    """
    cells = state.cells
    if exposure.cell < cells.marks[0] - cells.window.shape[0]:
        state.marks[LOST_OUTCOMES] += 1
        return
    sums = cells.sums[exposure.cell % cells.window.shape[0]]
    at = (exposure.first + place) % state.places.item.shape[0]
    done = state.places.done[at]
    if not done & CLICKED:
        sums[CLICKED_PLACES] += 1
        sums[CLICK_RANKS] += place + 1
        sums[CLICKED_IMPRESSIONS] += 1 - exposure.clicked
        exposure.clicked = 1
    has_value = not np.isnan(value)
    if kind & CONVERSION and not done & CONVERTED:
        done |= CONVERTED
        sums[CONVERSIONS] += 1
        if has_value:
            sums[VALUED_CONVERSIONS] += 1
            sums[CONVERSION_VALUE] += value
    if kind & DWELL and has_value and value >= 0:
        sums[DWELLS] += 1
        sums[DWELL_SECONDS] += value
    state.places.done[at] = done | CLICKED


@kernel
def last_touch(state, user, item, ts, window):
    """The user's latest impression (by event time) that has the item and lies in [ts - window, ts].

    The walk ends at an impression of the user from more than two windows ago: those behind it were learned earlier.

    Returns:
        Its slot, and the item's place from 0; -1, -1 = none.
    """
    entries = state.exposures.entries
    oldest = state.marks[OLDEST_EXPOSURE]
    number = state.exposures.heads[bucket_of(state.exposures.heads, user)]
    best, best_place, best_ts = np.int64(-1), np.int64(-1), -np.inf
    for _ in range(MAX_WALK):
        if number < oldest:
            break
        slot = number % entries.shape[0]
        e = entries[slot]
        if e.user == user:
            age = ts - e.ts
            if age > 2.0 * window:
                break
            if 0.0 <= age <= window and e.ts > best_ts:
                place = place_of(state.places.item, e, item)
                if place >= 0:
                    best, best_place, best_ts = slot, place, e.ts
        number = e.before
    return best, best_place


@kernel
def make_room(state, length, ts, window):
    """Push out the oldest impressions until one of so many places fits.

    Returns:
        How many of them went before their window was over, judged by the newcomer's time.
    """
    entries, marks = state.exposures.entries, state.marks
    cut_short = 0
    while marks[OLDEST_EXPOSURE] < marks[NEXT_EXPOSURE]:
        oldest = entries[marks[OLDEST_EXPOSURE] % entries.shape[0]]
        is_full = marks[NEXT_EXPOSURE] - marks[OLDEST_EXPOSURE] == entries.shape[0]
        if not is_full and marks[NEXT_PLACE] + length - oldest.first <= state.places.item.shape[0]:
            break
        cut_short += ts - oldest.ts <= window
        marks[OLDEST_EXPOSURE] += 1
    return cut_short


@kernel
def open_impression(state, user, ts, cell, items, start, length):
    """Put an impression of items[start : start + length] into its ring; returns its slot."""
    entries, heads = state.exposures.entries, state.exposures.heads
    ring, marks = state.places.item, state.marks
    number, first = marks[NEXT_EXPOSURE], marks[NEXT_PLACE]
    slot = number % entries.shape[0]
    signature = np.uint64(0)
    for i in range(length):
        at = (first + i) % ring.shape[0]
        item = fingerprint(items[start + i])
        ring[at] = item
        state.places.done[at] = 0
        signature |= bit_of(item)
    e = entries[slot]
    e.user, e.ts, e.signature, e.first = user, ts, signature, first
    e.cell, e.length, e.clicked = cell, length, 0
    bucket = bucket_of(heads, user)
    e.before = heads[bucket]
    heads[bucket] = number
    marks[NEXT_EXPOSURE], marks[NEXT_PLACE] = number + 1, first + length
    return slot


@kernel
def join_earlier(state, slot, window):
    """Credit interactions that were learned before the impression at `slot` although they came after it.

    The walk ends at an interaction of the user from more than a window before: those behind it were learned earlier.
    """
    exposure = state.exposures.entries[slot]
    entries, heads = state.interactions.entries, state.interactions.heads
    oldest = max(np.int64(0), state.marks[NEXT_INTERACTION] - entries.shape[0])
    number = heads[bucket_of(heads, exposure.user)]
    for _ in range(MAX_WALK):
        if number < oldest:
            return
        r = entries[number % entries.shape[0]]
        if r.user == exposure.user:
            after = r.ts - exposure.ts
            if after < -window:
                return
            if 0.0 <= after <= window and not r.kind & JOINED:
                place = place_of(state.places.item, exposure, r.item)
                if place >= 0:
                    credit(state, exposure, place, r.kind, r.value)
                    r.kind |= JOINED
        number = r.before


@kernel
def remember(state, user, item, ts, kind, value):
    """Put an interaction into its ring."""
    entries, heads = state.interactions.entries, state.interactions.heads
    number = state.marks[NEXT_INTERACTION]
    bucket = bucket_of(heads, user)
    r = entries[number % entries.shape[0]]
    r.user, r.item, r.ts, r.value, r.kind = user, item, ts, value, kind
    r.before = heads[bucket]
    heads[bucket] = number
    state.marks[NEXT_INTERACTION] = number + 1


@kernel
def expose(state, users, labels, items, ends, ts, windows, partition, window):
    """Learn n impressions, one after the other.

    Args:
        state: changed in place.
        users: uint64 [n], hashes.
        labels: int32 [n], label code of each.
        items: uint64 [sum of lengths], hashes in the order shown, impression after impression.
        ends: int64 [n], where each one's items end.
        ts: float64 [n].
        windows: int64 [n], number of the broker-time window.
        partition: of the topic `impressions`.
        window: attribution window in seconds.
    """
    start = np.int64(0)
    longest = min(MAX_PLACES, state.places.item.shape[0])
    for i in range(users.shape[0]):
        cell = find_cell(state.cells, partition, windows[i], labels[i])
        at = cell % state.cells.window.shape[0]
        sums = state.cells.sums[at]
        length = min(ends[i] - start, longest)
        sums[IMPRESSIONS] += 1
        sums[PLACES] += length
        sums[CUT_SHORT] += make_room(state, length, ts[i], window)
        sums[NOVELTY_BITS] += describe(state.items, state.cells.registers[at], items, start, start + length)
        slot = open_impression(state, users[i], ts[i], cell, items, start, length)
        join_earlier(state, slot, window)
        start = ends[i]


@kernel
def interact(state, users, items, ts, kinds, values, window, ranks):
    """Learn n interactions, one after the other.

    Args:
        state: changed in place.
        users: uint64 [n], hashes.
        items: uint64 [n], hashes.
        ts: float64 [n].
        kinds: uint8 [n], bits CONVERSION, DWELL.
        values: float32 [n], NaN = none.
        window: attribution window in seconds.
        ranks: int32 [n], filled: place (from 1) of the item in the impression it was credited to, 0 = none.
    """
    for i in range(users.shape[0]):
        item = fingerprint(items[i])
        count_item(state.items, items[i])
        slot, place = last_touch(state, users[i], item, ts[i], window)
        kind = np.int64(kinds[i])
        if slot >= 0:
            credit(state, state.exposures.entries[slot], place, kind, values[i])
            kind |= JOINED
        ranks[i] = place + 1
        remember(state, users[i], item, ts[i], kind, values[i])
