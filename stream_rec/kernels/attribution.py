"""Joining what was shown with what was done, both ways round, in rings of fixed size.

Impressions and interactions come from two topics, so either may be learned first. Each side is a ring in the order of
learning, and each ring has hash chains: `heads[bucket]` is the number of the bucket's newest entry, `before[slot]` that
of the next older one. Numbers grow for ever, entry s stands in slot s % length, and a chain ends where it reaches an
entry that the ring has overwritten; so nothing is ever deleted, and the oldest goes first.

Times are event times in seconds. Items are kept as 32-bit fingerprints: a false match is a 2**-32 chance per place.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.attribution_state import (
    CLICK_RANKS,
    CLICKED,
    CLICKED_IMPRESSIONS,
    CLICKED_PLACES,
    CONVERSION,
    CONVERSION_VALUE,
    CONVERSIONS,
    CONVERTED,
    CUT_SHORT,
    DWELL,
    DWELL_SECONDS,
    DWELLS,
    IMPRESSIONS,
    JOINED,
    NOVELTY_BITS,
    PLACES,
    REFUND_VALUE,
    UNPRICED,
    VALUED_CONVERSIONS,
)
from stream_rec.kernels.compile import kernel
from stream_rec.kernels.ids import mix
from stream_rec.kernels.shown import count_item, describe, find_cell

MAX_WALK = 32
"""Entries of one chain that are looked at, newest first: one flood of a user costs no more than this."""
MAX_PLACES = 200
"""Places of an impression that are kept; a slate is never longer."""


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
def place_of(places, exposure, item):
    """First place (from 0) of an item in an impression, or -1."""
    ring = places.item
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
    if exposure.cell < cells.next_number[0] - cells.window.shape[0]:
        state.counters[0].lost_outcomes += 1
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
        if has_value and not kind & UNPRICED:
            sums[VALUED_CONVERSIONS] += 1
            if value >= 0:
                sums[CONVERSION_VALUE] += value
            else:
                sums[REFUND_VALUE] -= value
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
    oldest = state.counters[0].oldest_exposure
    number = state.exposures.heads[bucket_of(state.exposures.heads, user)]
    best, best_place, best_ts = np.int64(-1), np.int64(-1), -np.inf
    for _ in range(MAX_WALK):
        if number < oldest:
            break
        slot = number % entries.shape[0]
        exposure = entries[slot]
        if exposure.user == user:
            age = ts - exposure.ts
            if age > 2.0 * window:
                break
            if 0.0 <= age <= window and exposure.ts > best_ts:
                place = place_of(state.places, exposure, item)
                if place >= 0:
                    best, best_place, best_ts = slot, place, exposure.ts
        number = exposure.before
    return best, best_place


@kernel
def make_room(state, length, ts, window):
    """Evict the oldest impressions until one of so many places fits.

    Returns:
        How many of them were evicted before their window was over, judged by the new impression's time.
    """
    entries, counters = state.exposures.entries, state.counters[0]
    cut_short = 0
    while counters.oldest_exposure < counters.next_exposure:
        oldest = entries[counters.oldest_exposure % entries.shape[0]]
        is_full = counters.next_exposure - counters.oldest_exposure == entries.shape[0]
        if not is_full and counters.next_place + length - oldest.first <= state.places.item.shape[0]:
            break
        cut_short += ts - oldest.ts <= window
        counters.oldest_exposure += 1
    return cut_short


@kernel
def open_impression(state, user, ts, cell, items, start, length):
    """Put an impression of items[start : start + length] into its ring; returns its slot."""
    entries, heads = state.exposures.entries, state.exposures.heads
    ring, counters = state.places.item, state.counters[0]
    number, first = counters.next_exposure, counters.next_place
    slot = number % entries.shape[0]
    signature = np.uint64(0)
    for i in range(length):
        at = (first + i) % ring.shape[0]
        item = fingerprint(items[start + i])
        ring[at] = item
        state.places.done[at] = 0
        signature |= bit_of(item)
    exposure = entries[slot]
    exposure.user, exposure.ts, exposure.signature, exposure.first = user, ts, signature, first
    exposure.cell, exposure.length, exposure.clicked = cell, length, 0
    bucket = bucket_of(heads, user)
    exposure.before = heads[bucket]
    heads[bucket] = number
    counters.next_exposure, counters.next_place = number + 1, first + length
    return slot


@kernel
def join_earlier(state, slot, window):
    """Credit interactions that were learned before the impression at `slot` although they came after it.

    The walk ends at an interaction of the user from more than a window before: those behind it were learned earlier.
    """
    exposure = state.exposures.entries[slot]
    entries, heads = state.interactions.entries, state.interactions.heads
    oldest = max(np.int64(0), state.counters[0].next_interaction - entries.shape[0])
    number = heads[bucket_of(heads, exposure.user)]
    for _ in range(MAX_WALK):
        if number < oldest:
            return
        interaction = entries[number % entries.shape[0]]
        if interaction.user == exposure.user:
            after = interaction.ts - exposure.ts
            if after < -window:
                return
            if 0.0 <= after <= window and not interaction.kind & JOINED:
                place = place_of(state.places, exposure, interaction.item)
                if place >= 0:
                    credit(state, exposure, place, interaction.kind, interaction.value)
                    interaction.kind |= JOINED
        number = interaction.before


@kernel
def remember(state, user, item, ts, kind, value):
    """Put an interaction into its ring."""
    entries, heads = state.interactions.entries, state.interactions.heads
    number = state.counters[0].next_interaction
    bucket = bucket_of(heads, user)
    interaction = entries[number % entries.shape[0]]
    interaction.user, interaction.item, interaction.ts = user, item, ts
    interaction.value, interaction.kind = value, kind
    interaction.before = heads[bucket]
    heads[bucket] = number
    state.counters[0].next_interaction = number + 1


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
        kinds: uint8 [n], bits CONVERSION, DWELL, UNPRICED.
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
