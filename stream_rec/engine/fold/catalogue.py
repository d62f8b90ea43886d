"""Catalogue records enter the state, one at a time."""

from __future__ import annotations

import math

import numpy as np

from stream_rec.engine.fold import learn
from stream_rec.kernels import columns, hidden, histories, pairs, past, vocabulary, windows
from stream_rec.kernels.codes import CODE_MASK, NO_CODE, ROW_MASK, is_current
from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.kernels.ids import mix
from stream_rec.kernels.reference import lend
from stream_rec.sources import factorization, popularity, ratings

LATEST_EVENTS = 4096
"""Those that the catalogue is held against."""


@kernel
def upsert(state, rates, data, id_hash, tags, ts, available, given, now, seed):
    """An item as the catalogue has it now; returns its row.

    An item without events is placed among those that share its tags (mean of the tags' factors), so that the vector
    index can find it at once; what events have taught about an item is kept. It is new if it was not known, or only
    as hidden or from a vector, and without events.

    Args:
        state: changed in place.
        rates: settings.
        data: uint8, the id.
        id_hash: uint64, of the id.
        tags: int32 [TAGS_PER_ITEM], hashed tags, 0 = none.
        ts: time from which it is available, seconds; NaN = now.
        available: whether it may be recommended, inside of its window.
        given: columns.Described; also of its window.
        now: seconds, by which its window is open or not.
        seed: uint64, of new items' factors.
    """
    n = data.shape[0]
    if np.isnan(given.opens) and np.isnan(given.closes):
        windows.forget(state.windowed, state.windows, data, id_hash)
    else:
        opens = -np.inf if np.isnan(given.opens) else given.opens
        closes = np.inf if np.isnan(given.closes) else given.closes
        windowed = windows.enter(state.windowed, state.windows, data, id_hash, opens, closes, available, now)
        available = windows.is_open(state.windows, windowed, now)
    if available:
        hidden.show(state.hidden, data, 0, n, id_hash)
    else:
        hidden.hide(state.hidden, data, 0, n, id_hash, state.clock[0])
    row = vocabulary.find(state.items, data, 0, n, id_hash)
    since = state.clock[0] if np.isnan(ts) else ts
    unused = vocabulary.UNUSED + state.clock[0]
    if row < 0:
        row = learn.enter_item(state, rates, data, 0, n, id_hash, since, unused, seed)
        is_new = True
    else:
        is_known = state.popularity.eligible[row] and state.in_catalogue[row]
        is_new = not is_known and state.popularity.logs[row, 0] == -np.inf
    if is_new:
        state.first_seen[row] = since
        if available:
            learn.announce_item(state, row)
    if state.items.seen[row] < vocabulary.UNUSED_BELOW:
        state.items.seen[row] = max(state.items.seen[row], unused)
    same = True
    for t in range(tags.shape[0]):
        same &= state.factors.tags[row, t] == tags[t]
    if not same:
        if state.factors.item_squares[row] == 0.0 and state.factors.input_squares[row] == 0.0:
            factorization.initialise_item(state.factors, rates.factors, row, mix(id_hash ^ seed))
            factorization.set_tags(state.factors, row, tags)
            factorization.place_by_tags(state.factors, row)
        factorization.set_tags(state.factors, row, tags)
    popularity.set_eligible(state.popularity, row, available)
    columns.describe(state.columns, state.texts, row, lend(given))
    state.in_catalogue[row] = True
    state.counters[0].n_items_changed += 1
    return row


@kernel
def remove(state, data, id_hash):
    """The item has left the catalogue: it is never recommended until it is upserted. Returns its row, -1 = it has none.

    Its id is remembered apart from its row, so neither an eviction nor late events bring it back.
    """
    hidden.hide(state.hidden, data, 0, data.shape[0], id_hash, state.clock[0])
    windows.forget(state.windowed, state.windows, data, id_hash)
    row = vocabulary.find(state.items, data, 0, data.shape[0], id_hash)
    if row >= 0:
        popularity.set_eligible(state.popularity, row, False)
        state.in_catalogue[row] = False
        columns.clear(state.columns, state.texts, row)
    state.counters[0].n_items_changed += 1
    return row


@kernel
def row_of(state, data, id_hash):
    """The row of an item, -1 = it has none."""
    return vocabulary.find(state.items, data, 0, data.shape[0], id_hash)


@kernel
def enter(state, rates, data, id_hash, seed):
    """The row of an item that something other than an event or the catalogue knows; a new one counts as unused."""
    row = row_of(state, data, id_hash)
    if row < 0:
        now = state.clock[0]
        seen = vocabulary.UNUSED + now
        row = learn.enter_item(state, rates, data, 0, data.shape[0], id_hash, now, seen, seed)
    return row


@kernel
def forget_user(state, data, id_hash):
    """Wipe a user from the state; True if there was one. Counts of the user's items stay."""
    row = vocabulary.find(state.users, data, 0, data.shape[0], id_hash)
    if row < 0:
        return False
    learn.forget_user_row(state, row)
    state.histories.items[row, :] = NO_CODE
    state.histories.types[row, :] = 0
    state.histories.pauses[row, :] = 0
    vocabulary.unlink(state.users, row)
    return True


@kernel
def rename_user(state, row, data, id_hash):
    """The user of a row has another id from now on, which has no row yet; all that was learned stays."""
    seen = state.users.seen[row]
    vocabulary.unlink(state.users, row)
    vocabulary.insert(state.users, data, 0, data.shape[0], id_hash, row)
    state.users.seen[row] = seen


@kernel
def join_users(state, rates, visitor, user, joined):
    """Two users were one: the history of whom was active later follows the other's, and factors are weighted by events.

    The visitor's row keeps what it had; it is to be forgotten.

    Args:
        state: changed in place.
        rates: which types are conversions.
        visitor: row.
        user: row.
        joined: int32 [3, 2 x history_length], working memory.
    """
    own = state.histories
    older, newer = (visitor, user) if state.users.seen[visitor] <= state.users.seen[user] else (user, visitor)
    n_visitor, n_user = np.float32(own.n_events[visitor]), np.float32(own.n_events[user])
    total = max(n_visitor + n_user, np.float32(1.0))
    for f in range(state.factors.users.shape[1]):
        weighted = state.factors.users[visitor, f] * n_visitor + state.factors.users[user, f] * n_user
        state.factors.users[user, f] = weighted / total
    state.factors.user_squares[user] += state.factors.user_squares[visitor]
    ratings.join_users(state, visitor, user)
    past.join(state.past, visitor, user, older == visitor)
    _join_rings(state, rates, older, newer, user, joined)
    state.users.seen[user] = max(state.users.seen[visitor], state.users.seen[user])


@kernel_inner
def _join_rings(state, rates, older, newer, user, joined):
    """The rings of two rows, one behind the other, in the row of one of them; what has no room there was had before."""
    own = state.histories
    length = own.items.shape[1]
    n, n_older, between = 0, 0, state.users.seen[newer] - state.users.seen[older]
    for row in (older, newer):
        count = np.int64(own.n_events[row])
        first = max(0, count - length)
        pairs.move_places(state.undoable, state.users.hashes[row], n - first)
        for number in range(first, count):
            joined[0, n] = own.items[row, number & (length - 1)]
            joined[1, n] = own.types[row, number & (length - 1)]
            joined[2, n] = own.pauses[row, number & (length - 1)]
            if row == newer and number > first:
                between -= math.expm1(joined[2, n] * histories.PAUSE_STEP)
            n += 1
        if row == older:
            n_older = n
    if (
        n > n_older
    ):  # those of the newer row may have begun before the older one's last: then no pause is between them
        joined[2, n_older] = histories.pause_number(between)
    session, count = own.session[newer], np.int64(own.n_events[newer])
    in_session = min(count - np.int64(own.session_start[newer]), n)
    own.n_events[user] = n
    own.session_start[user] = n - in_session
    own.session[user] = session
    for number in range(n):
        code, kind, pause = joined[0, number], joined[1, number], joined[2, number]
        if number >= n - length:
            own.items[user, number & (length - 1)] = code
            own.types[user, number & (length - 1)] = kind
            own.pauses[user, number & (length - 1)] = pause
        elif code & CODE_MASK != NO_CODE:
            past.add(state.past, user, code & CODE_MASK, histories.type_bit(kind), rates.conversions)


@kernel
def covered(recent, n_recent, generation, eligible, in_catalogue):
    """How many of the latest events were on items that may be shown and are in the catalogue, and on items that may.

    Only what is held now counts, not in which order records and events came.

    Args:
        recent: int32 [n], a ring of the codes of the last events' items.
        n_recent: int64 [1], events so far.
        generation: uint8 [items].
        eligible: bool [items], neither removed nor unavailable.
        in_catalogue: bool [items].
    """
    n_covered, n = 0, 0
    for number in range(max(0, n_recent[0] - min(LATEST_EVENTS, recent.shape[0])), n_recent[0]):
        code = recent[number % recent.shape[0]]
        row = code & ROW_MASK
        if is_current(code, generation) and eligible[row]:
            n += 1
            if in_catalogue[row]:
                n_covered += 1
    return n_covered, n
