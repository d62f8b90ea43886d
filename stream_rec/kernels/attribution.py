"""Joining what was shown with what was done, both ways round, in rings of fixed size.

Impressions and interactions come from two topics, so either may be learned first. Each side is a ring in the order of
learning, and each ring has hash chains: `heads[bucket]` is the number of the bucket's newest entry, `before[slot]` that
of the next older one. Numbers grow for ever, entry s stands in slot s % length, and a chain ends where it reaches an
entry that the ring has overwritten; so nothing is ever deleted, and the oldest goes first.

One join, and so one file, though a long one. Times are event times in seconds. Items are kept as 32-bit fingerprints:
a false match is a 2**-32 chance per place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.attribution_state import (
    BOUGHT,
    CARTED,
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
    GIVEN_BACK,
    IMPRESSIONS,
    IN_CART,
    JOINED,
    LEFT_OUT,
    MAX_WALK,
    NOVELTY_BITS,
    PLACES,
    REFUND_VALUE,
    UNPRICED,
    VALUED_CONVERSIONS,
)
from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.kernels.ids import mix
from stream_rec.kernels.shown import count_item, describe, find_cell
from stream_rec.kernels.trial_state import NO_TRIAL
from stream_rec.kernels.trials import (
    act,
    arm_of_purchase,
    buy,
    click,
    give_back,
    is_known,
    leave_out_refund,
    look_at,
    put_in_cart,
    show,
)

MAX_PAST_WALK = 4096
"""The same, once for each user and experiment: of a user who has done more since, no past is known."""
MAX_PLACES = 200
"""Places of an impression that are kept; a slate is never longer."""


class Shown(NamedTuple):
    """What is known of n impressions for those that are of an arm or that are named.

    Attributes:
        trials: int64 [n], kernels.trial_state; changed in place where there is no room for the user.
        slates: uint64 [n], hashes of their ids.
        past: float64 [n], events that the user had done, whenever: those after the impression are taken off.
        teams: uint8 [total shown], bits of places; [0] = no slate has teams.
        gap: seconds after which a session is over.
    """

    trials: NDArray[np.int64]
    slates: NDArray[np.uint64]
    past: NDArray[np.float64]
    teams: NDArray[np.uint8]
    gap: float


@kernel
def fingerprint(item):
    """32 bits of an item's hash."""
    return np.uint32(mix(item) >> np.uint64(32))


@kernel_inner
def bucket_of(heads, user):
    """Chain of a user."""
    return np.int64(mix(user) & np.uint64(heads.shape[0] - 1))


@kernel_inner
def bit_of(item):
    """Bit of an item in a signature."""
    return np.uint64(1) << np.uint64(item & np.uint32(63))


@kernel_inner
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


@kernel_inner
def _is_refund(kind, value):
    """A price below 0."""
    return kind & CONVERSION != 0 and kind & UNPRICED == 0 and value < 0


@kernel_inner
def _give_back_later(state, user, code, item, ts):
    """Refunds of a purchase that were learned before it was credited to an arm."""
    entries, heads = state.interactions.entries, state.interactions.heads
    oldest = max(np.int64(0), state.counters[0].next_interaction - entries.shape[0])
    number = heads[bucket_of(heads, user)]
    for _ in range(MAX_WALK):
        if number < oldest:
            return
        done = entries[number % entries.shape[0]]
        is_its = done.user == user and done.item == item and done.ts >= ts
        if is_its and not done.kind & GIVEN_BACK and _is_refund(done.kind, done.value):
            give_back(state.trials, user, code, done.value)
            done.kind |= GIVEN_BACK
            state.trials.counters[0].refunds_left_out -= done.kind & LEFT_OUT != 0
        number = done.before


@kernel_inner
def _credit_trial(state, exposure, item, ts, done, kind, value):
    """The same for the arm whose slate it was; what is done with the place then."""
    trials, user, code = state.trials, exposure.user, exposure.trial
    has_value = not np.isnan(value)
    if not done & CLICKED:
        click(trials, user, code, done)
    is_priced = has_value and not kind & UNPRICED
    if _is_refund(kind, value):
        if not kind & GIVEN_BACK:
            give_back(trials, user, code, value)
    elif kind & CONVERSION and not done & BOUGHT:
        buy(trials, user, code, item, ts, is_priced, value)
        _give_back_later(state, user, code, item, ts)
        done |= BOUGHT
    if kind & IN_CART and not done & CARTED:
        put_in_cart(trials, user, code)
        done |= CARTED
    if kind & DWELL and has_value and value >= 0:
        look_at(trials, user, code, value)
    return done | CLICKED


@kernel_inner
def credit(state, exposure, place, item, ts, kind, value):
    """Count an interaction with a shown item in the cell of the impression.

    A place is clicked at most once and converts at most once; dwell adds up.

    Returns:
        `kind`, with what has been done about it.
    """
    cells = state.cells
    at = (exposure.first + place) % state.places.item.shape[0]
    done = state.places.done[at]
    if exposure.trial != NO_TRIAL:
        state.places.done[at] |= _credit_trial(state, exposure, item, ts, done, kind, value)
        if _is_refund(kind, value):
            state.trials.counters[0].refunds_left_out -= kind & GIVEN_BACK == 0 and kind & LEFT_OUT != 0
            kind |= GIVEN_BACK
    kind |= JOINED
    if exposure.cell < cells.next_number[0] - cells.window.shape[0]:
        state.counters[0].lost_outcomes += 1
        return kind
    sums = cells.sums[exposure.cell % cells.window.shape[0]]
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
    state.places.done[at] |= done | CLICKED
    return kind


@kernel_inner
def last_touch(state, user, item, ts, window, slate):
    """The user's latest impression (by event time) that has the item and lies in [ts - window, ts].

    If a slate is named (a hash, 0 = none), it is one of that slate.

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
            is_meant = slate == np.uint64(0) or exposure.slate == slate
            if is_meant and 0.0 <= age <= window and exposure.ts > best_ts:
                place = place_of(state.places, exposure, item)
                if place >= 0:
                    best, best_place, best_ts = slot, place, exposure.ts
        number = exposure.before
    return best, best_place


@kernel_inner
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


@kernel_inner
def open_impression(state, user, ts, cell, items, start, length, shown, i):
    """Put impression i, of items[start : start + length], into its ring; returns its slot."""
    entries, heads = state.exposures.entries, state.exposures.heads
    ring, counters = state.places.item, state.counters[0]
    number, first = counters.next_exposure, counters.next_place
    slot = number % entries.shape[0]
    signature = np.uint64(0)
    for i_item in range(length):
        at = (first + i_item) % ring.shape[0]
        item = fingerprint(items[start + i_item])
        ring[at] = item
        state.places.done[at] = shown.teams[start + i_item] if shown.teams.shape[0] > 0 else 0
        signature |= bit_of(item)
    exposure = entries[slot]
    exposure.user, exposure.ts, exposure.signature, exposure.first = user, ts, signature, first
    exposure.cell, exposure.length, exposure.clicked = cell, length, 0
    exposure.slate, exposure.trial = shown.slates[i], shown.trials[i]
    bucket = bucket_of(heads, user)
    exposure.before = heads[bucket]
    heads[bucket] = number
    counters.next_exposure, counters.next_place = number + 1, first + length
    return slot


@kernel_inner
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
            is_meant = interaction.slate == np.uint64(0) or interaction.slate == exposure.slate
            if is_meant and 0.0 <= after <= window and not interaction.kind & JOINED:
                place = place_of(state.places, exposure, interaction.item)
                if place >= 0:
                    interaction.kind = credit(
                        state,
                        exposure,
                        place,
                        interaction.item,
                        interaction.ts,
                        interaction.kind,
                        interaction.value,
                    )
        number = interaction.before


@kernel_inner
def _n_soon(state, user, ts, seconds):
    """The user's interactions that were learned already, in so many seconds after a moment."""
    entries, heads = state.interactions.entries, state.interactions.heads
    oldest = max(np.int64(0), state.counters[0].next_interaction - entries.shape[0])
    number = heads[bucket_of(heads, user)]
    n_soon = 0
    for _ in range(MAX_WALK):
        if number < oldest:
            break
        interaction = entries[number % entries.shape[0]]
        if interaction.user == user:
            after = interaction.ts - ts
            if after < -seconds:
                break
            n_soon += 0.0 <= after <= seconds
        number = interaction.before
    return n_soon


@kernel_inner
def _past_of(state, user, ts, n_events, seconds):
    """How many of a user's events were before a moment, of all that were learned.

    A worker that learns a backlog may have learned weeks of events before their first impression. Where it no longer
    knows all of those after the moment, the past is 0, for every user alike: what was done later must not have a say.

    Args:
        state: read only.
        user: hash.
        ts: the moment, seconds.
        n_events: that were learned.
        seconds: how much later an event may be learned than one that came after it.
    """
    if n_events <= 0.0 or state.counters[0].lost_ms >= np.int64(ts * 1000.0):
        return 0.0
    entries, heads = state.interactions.entries, state.interactions.heads
    oldest = max(np.int64(0), state.counters[0].next_interaction - entries.shape[0])
    number = heads[bucket_of(heads, user)]
    n_after = 0
    for _ in range(MAX_PAST_WALK):
        if number < oldest:
            return max(0.0, n_events - n_after)
        interaction = entries[number % entries.shape[0]]
        if interaction.user == user:
            if interaction.ts < ts - seconds:
                return max(0.0, n_events - n_after)
            n_after += interaction.ts >= ts
        number = interaction.before
    return 0.0


@kernel_inner
def remember(state, user, item, ts, kind, value, slate):
    """Put an interaction into its ring."""
    entries, heads = state.interactions.entries, state.interactions.heads
    number = state.counters[0].next_interaction
    bucket = bucket_of(heads, user)
    interaction = entries[number % entries.shape[0]]
    if number >= entries.shape[0]:
        lost = np.int64(interaction.ts * 1000.0)
        state.counters[0].lost_ms = max(state.counters[0].lost_ms, lost)
    interaction.user, interaction.item, interaction.ts = user, item, ts
    interaction.value, interaction.kind, interaction.slate = value, kind, slate
    interaction.before = heads[bucket]
    heads[bucket] = number
    state.counters[0].next_interaction = number + 1


@kernel
def expose(state, users, labels, items, ends, ts, windows, shown, partition, window):
    """Learn n impressions, one after the other.

    Args:
        state: changed in place.
        users: uint64 [n], hashes.
        labels: int32 [n], label code of each.
        items: uint64 [sum of lengths], hashes in the order shown, impression after impression.
        ends: int64 [n], where each one's items end.
        ts: float64 [n].
        windows: int64 [n], number of the broker-time window.
        shown: Shown.
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
        if shown.trials[i] != NO_TRIAL:
            n_soon = _n_soon(state, users[i], ts[i], shown.gap)
            known = is_known(state.trials, users[i], shown.trials[i])
            past = 0.0 if known else _past_of(state, users[i], ts[i], shown.past[i], shown.gap)
            if not show(state.trials, users[i], shown.trials[i], ts[i], shown.gap, past, n_soon):
                shown.trials[i] = NO_TRIAL
        slot = open_impression(state, users[i], ts[i], cell, items, start, length, shown, i)
        join_earlier(state, slot, window)
        start = ends[i]


@kernel
def interact(state, users, items, ts, kinds, values, slates, gap, window, ranks):
    """Learn n interactions, one after the other.

    Args:
        state: changed in place.
        users: uint64 [n], hashes.
        items: uint64 [n], hashes.
        ts: float64 [n].
        kinds: uint8 [n], bits CONVERSION, DWELL, UNPRICED.
        values: float32 [n], NaN = none.
        slates: uint64 [n], hashes of the slates that they name, 0 = none.
        gap: seconds after which a session is over.
        window: attribution window in seconds.
        ranks: int32 [n], filled: place (from 1) of the item in the impression it was credited to, 0 = none.
    """
    for i in range(users.shape[0]):
        item = fingerprint(items[i])
        count_item(state.items, items[i])
        if state.trials.counters[0].n_users > 0:
            act(state.trials, users[i], ts[i], gap)
        slot, place = last_touch(state, users[i], item, ts[i], window, slates[i])
        kind = np.int64(kinds[i])
        is_refund = state.trials.counters[0].n_users > 0 and _is_refund(kind, values[i])
        if is_refund:
            bought = arm_of_purchase(state.trials, users[i], item, ts[i])
            if bought != NO_TRIAL:
                give_back(state.trials, users[i], bought, values[i])
                kind |= GIVEN_BACK
        if slot >= 0:
            kind = credit(state, state.exposures.entries[slot], place, item, ts[i], kind, values[i])
        if is_refund and not kind & GIVEN_BACK and leave_out_refund(state.trials, users[i]):
            kind |= LEFT_OUT
        ranks[i] = place + 1
        remember(state, users[i], item, ts[i], kind, values[i], slates[i])
