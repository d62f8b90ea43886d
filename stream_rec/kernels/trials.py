"""Counting what users of experiments did; each amount once, when its record is learned."""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.attribution_state import MAX_WALK
from stream_rec.kernels.compile import kernel_inner, kernel_unlocked
from stream_rec.kernels.ids import mix
from stream_rec.kernels.trial_state import (
    BOUNCE,
    CART,
    CLICK,
    CLICK_BEFORE,
    DWELL_TIME,
    MAX_ARMS,
    NO_TRIAL,
    PURCHASE,
    REFUND,
    REVENUE,
    SESSION,
    SHOWN,
    TEAM_A,
    TEAM_B,
    USER,
)


@kernel_inner
def _add(trials, slot, arm, user, outcome, amount):
    bucket = np.int64(user & np.uint64(trials.totals.shape[2] - 1))
    trials.totals[slot, arm, bucket, outcome] += amount


@kernel_inner
def entry_of(trials, user, slot):
    """Index of a user's entry in the experiment of a slot, or that of the free one where it would stand.

    Those of forgotten users (0) are never found.
    """
    users = trials.users
    last = np.uint64(users.shape[0] - 1)
    at = np.int64(mix(user ^ np.uint64(slot + 1)) & last)
    while users[at].owner and not (users[at].owner == slot + 1 and users[at].user == user != 0):
        at = (at + 1) & np.int64(last)
    return at


@kernel_inner
def is_known(trials, user, code):
    """Was a slate of this experiment, of whatever arm, shown to the user before?"""
    return trials.users[entry_of(trials, user, code // MAX_ARMS)].owner != 0


@kernel_inner
def show(trials, user, code, ts, gap, past, n_after):
    """A slate of an arm is shown to a user.

    Args:
        trials: TrialState, changed in place.
        user: hash.
        code: slot * MAX_ARMS + arm.
        ts: when, seconds.
        gap: seconds after which a session is over.
        past: what the user had done before, in events; of a user who is known already it is not asked.
        n_after: events of the user's within the gap after it that were learned before the slate.

    Returns:
        Is it counted: there is room for the user.
    """
    slot, arm = code // MAX_ARMS, code % MAX_ARMS
    at = entry_of(trials, user, slot)
    entry, counters = trials.users[at], trials.counters[0]
    is_new = entry.owner == 0
    if is_new:
        if 4 * (counters.n_users + 1) > 3 * trials.users.shape[0]:
            counters.left_out += 1
            return False
        counters.n_users += 1
        entry.user, entry.owner, entry.clicks_a, entry.clicks_b = user, slot + 1, 0.0, 0.0
        entry.past = past
    if is_new or entry.arm != arm:
        _add(trials, slot, arm, user, USER, 1.0)
        # Who comes from another arm has done things since because of that one: the past ended with the first slate.
        _add(trials, slot, arm, user, CLICK_BEFORE, np.float64(entry.past))
        entry.arm, entry.after = arm, -1
    _add(trials, slot, arm, user, SHOWN, 1.0)
    if entry.after < 0 or ts - entry.last > gap:
        _add(trials, slot, arm, user, SESSION, 1.0)
        _add(trials, slot, arm, user, BOUNCE, 1.0 if n_after == 1 else 0.0)
        entry.after, entry.began, entry.last = n_after, ts, ts
    entry.last = max(entry.last, ts)
    return True


@kernel_inner
def act(trials, user, ts, gap):
    """A user of perhaps some experiments does something: the second event after a slate makes it no bounce."""
    for slot in range(trials.in_use.shape[0]):
        if not trials.in_use[slot]:
            continue
        entry = trials.users[entry_of(trials, user, slot)]
        if entry.owner == 0 or entry.after < 0 or ts < entry.began or ts > entry.last + gap:
            continue
        entry.after += 1
        entry.last = max(entry.last, ts)
        if entry.after == 1:
            _add(trials, slot, entry.arm, user, BOUNCE, 1.0)
        elif entry.after == 2:
            _add(trials, slot, entry.arm, user, BOUNCE, -1.0)


@kernel_inner
def click(trials, user, code, place):
    """The first click on an item of an arm's slate; `place` holds the bits of its place."""
    slot = code // MAX_ARMS
    _add(trials, slot, code % MAX_ARMS, user, CLICK, 1.0)
    if place & (TEAM_A | TEAM_B):
        entry = trials.users[entry_of(trials, user, slot)]
        if entry.owner == slot + 1:
            entry.clicks_a += np.float32(1.0 if place & TEAM_A else 0.0)
            entry.clicks_b += np.float32(1.0 if place & TEAM_B else 0.0)


@kernel_inner
def _purchase_bucket(trials, user, item):
    return np.int64(mix(user ^ np.uint64(item)) & np.uint64(trials.purchase_heads.shape[0] - 1))


@kernel_inner
def buy(trials, user, code, item, ts, is_priced, value):
    """The first conversion of an item (a fingerprint) of an arm's slate. It is remembered: it may be given back."""
    slot, arm = code // MAX_ARMS, code % MAX_ARMS
    _add(trials, slot, arm, user, PURCHASE, 1.0)
    if not is_priced:
        return
    _add(trials, slot, arm, user, REVENUE, np.float64(value))
    keep_purchase(trials, user, code, item, ts)


@kernel_inner
def keep_purchase(trials, user, code, item, ts):
    """Put a purchase into its ring, in the place of the oldest one if it is full."""
    number, bucket = trials.counters[0].next_purchase, _purchase_bucket(trials, user, item)
    kept = trials.purchases[number % trials.purchases.shape[0]]
    kept.user, kept.ts, kept.trial, kept.item = user, ts, code, item
    kept.before = trials.purchase_heads[bucket]
    trials.purchase_heads[bucket] = number
    trials.counters[0].next_purchase = number + 1


@kernel_inner
def arm_of_purchase(trials, user, item, ts):
    """The arm whose purchase a refund at `ts` is of: the user's earliest one of the item; NO_TRIAL = none is known."""
    oldest = max(np.int64(0), trials.counters[0].next_purchase - trials.purchases.shape[0])
    number = trials.purchase_heads[_purchase_bucket(trials, user, item)]
    found, found_ts = np.int64(NO_TRIAL), np.inf
    for _ in range(MAX_WALK):
        if number < oldest:
            break
        kept = trials.purchases[number % trials.purchases.shape[0]]
        if kept.user == user and kept.item == item and kept.ts <= ts and kept.ts <= found_ts:
            found, found_ts = kept.trial, kept.ts
        number = kept.before
    return found


@kernel_inner
def leave_out_refund(trials, user):
    """A refund that lowers nothing is counted, if its user was shown a slate of an experiment; was it?"""
    for slot in range(trials.in_use.shape[0]):
        if trials.in_use[slot] and trials.users[entry_of(trials, user, slot)].owner != 0:
            trials.counters[0].refunds_left_out += 1
            return True
    return False


@kernel_inner
def give_back(trials, user, code, value):
    """A price below 0 is a refund."""
    _add(trials, code // MAX_ARMS, code % MAX_ARMS, user, REFUND, -np.float64(value))


@kernel_inner
def put_in_cart(trials, user, code):
    """An item of an arm's slate is put into the cart."""
    _add(trials, code // MAX_ARMS, code % MAX_ARMS, user, CART, 1.0)


@kernel_inner
def look_at(trials, user, code, seconds):
    """An item of an arm's slate had attention for so long."""
    _add(trials, code // MAX_ARMS, code % MAX_ARMS, user, DWELL_TIME, np.float64(seconds))


@kernel_unlocked
def refill(trials, entries):
    """Entries of users, TRIAL_USER [m], into an empty table."""
    for i in range(entries.shape[0]):
        entry = entries[i]
        there = trials.users[entry_of(trials, entry.user, entry.owner - 1)]
        there.user, there.owner, there.arm, there.after = entry.user, entry.owner, entry.arm, entry.after
        there.began, there.last = entry.began, entry.last
        there.clicks_a, there.clicks_b, there.past = entry.clicks_a, entry.clicks_b, entry.past


@kernel_unlocked
def refill_purchases(trials, entries):
    """PURCHASE_MADE [m], the oldest first, into an empty ring."""
    for i in range(entries.shape[0]):
        entry = entries[i]
        keep_purchase(trials, entry.user, entry.trial, entry.item, entry.ts)
