"""Catalogue records enter the state, one at a time."""

from __future__ import annotations

import numpy as np

from stream_rec.kernels import factors, learn, popularity, vocabulary
from stream_rec.kernels.compile import kernel
from stream_rec.kernels.ids import mix
from stream_rec.kernels.state import N_ITEMS_CHANGED


@kernel
def upsert(s, rates, data, h, tags, ts, available, seed):
    """An item as the catalogue has it now; returns its row.

    An item without events is placed among those that share its tags (mean of the tags' factors), so that the vector
    index can find it at once; what events have taught about an item is kept. It is new if it was not known, or only
    as hidden and without events.

    Args:
        s: state.
        rates: settings.
        data: uint8, the id.
        h: uint64, its hash.
        tags: int32 [TAGS_PER_ITEM], hashed tags, 0 = none.
        ts: when it became available, seconds; 0 = now.
        available: may it be recommended?
        seed: uint64, of new items' factors.
    """
    row = vocabulary.find(s.items, data, 0, data.shape[0], h)
    since = ts if ts > 0.0 else s.clock[0]
    if row < 0:
        row = learn.enter_item(s, rates, data, 0, data.shape[0], h, since, s.clock[0], seed)
        is_new = True
    else:
        is_new = not s.popularity.eligible[row] and s.popularity.logs[row, 0] == -np.inf
    if is_new:
        s.first_seen[row] = since
        if available:
            learn.announce_item(s, row)
    s.items.seen[row] = max(s.items.seen[row], s.clock[0])
    same = True
    for t in range(tags.shape[0]):
        same &= s.factors.tags[row, t] == tags[t]
    if not same:
        if s.factors.item_squares[row] == 0.0 and s.factors.input_squares[row] == 0.0:
            factors.initialise_item(s.factors, rates.factors, row, mix(h ^ seed))
            factors.set_tags(s.factors, row, tags)
            factors.place_by_tags(s.factors, row)
        factors.set_tags(s.factors, row, tags)
    popularity.set_eligible(s.popularity, row, available)
    s.counters[N_ITEMS_CHANGED] += 1
    return row


@kernel
def remove(s, rates, data, h, seed):
    """The item is gone from the catalogue: never recommended until it is upserted. Its row.

    An item that is not known yet is entered, so that events that come late do not bring it back; its row goes first
    when rows are needed, so a flood of removals pushes out few others.
    """
    row = vocabulary.find(s.items, data, 0, data.shape[0], h)
    if row < 0:
        row = learn.enter_item(s, rates, data, 0, data.shape[0], h, s.clock[0], -np.inf, seed)
    popularity.set_eligible(s.popularity, row, False)
    s.counters[N_ITEMS_CHANGED] += 1
    return row


@kernel
def forget_user(s, data, h):
    """Wipe a user from the state; True if there was one. Counts of items that the user touched stay."""
    row = vocabulary.find(s.users, data, 0, data.shape[0], h)
    if row < 0:
        return False
    learn.forget_user_row(s, row)
    vocabulary.unlink(s.users, row)
    return True
