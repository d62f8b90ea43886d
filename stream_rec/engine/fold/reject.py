"""Events that are no interest: dislikes, nevers, and events that take earlier ones back.

None of them enters a history, so none starts or feeds a session, a transition, a neighbour or a count. A dislike and a
never block the item for the user, take its events out of the user's history, and teach the sources that have a kernel
`reject` away from it.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels import histories, pairs, vocabulary
from stream_rec.kernels.columns import NO_TEXT, TAG
from stream_rec.kernels.compile import kernel_inner
from stream_rec.kernels.pairs import DISLIKED, ITEM_OF_OWNER, ITEM_OF_TAG, NEVER_ITEM, NEVER_OWNER, NEVER_TAG
from stream_rec.kernels.query import Undone
from stream_rec.schemas.event_types import Meaning
from stream_rec.sources import popularity, registry

NEGATIVE, NEVER, UNDONE = int(Meaning.NEGATIVE), int(Meaning.NEVER), int(Meaning.UNDONE)
IGNORED = int(Meaning.IGNORED)
UNDOES_DISLIKE, UNDOES_NEVER = 1, 2
"""Bits of `Events.undone`: the type that is taken back can be a dislike, or a never."""
MAX_UNDOABLE_PER_USER = 16


@kernel_inner
def take_in(state, query, rates, events, i, event, new_session, frozen):
    """Event i, which is no interest. The query's context is that of its user before it.

    A pause goes on where it would begin a new session: the next interest does.
    """
    user, item, limit = events.user_hashes[i], events.item_hashes[i], rates.max_blocked_per_user
    if events.meanings[i] == UNDONE:
        _take_back(state, query, rates, events, i, event, frozen)
    elif events.meanings[i] != IGNORED:  # of which nothing counts but that it rates the item
        if not frozen:
            registry.reject(state, query, rates, event)
        histories.take_out_all(state.histories, event.user, event.code)
        if events.meanings[i] == NEGATIVE:
            _block(state.blocked, limit, user, item, DISLIKED, event.ts)
        else:
            _block(state.blocked, limit, user, item, _kind_of_item(events.hides[i]), event.ts)
            more = _also_hidden(state, events, i, event.item)
            if more != np.uint64(0):
                _block(state.blocked, limit, user, more, events.hides[i], event.ts)
    if not frozen:
        state.items.seen[event.item] = max(state.items.seen[event.item], event.ts)
        state.counters[0].n_learned += 1
    if not new_session or state.histories.n_events[event.user] == 0:
        state.users.seen[event.user] = max(state.users.seen[event.user], event.ts)


@kernel_inner
def _kind_of_item(hides):
    """How the item itself is blocked by a type that hides no more, its tag, or its owner."""
    if hides == NEVER_TAG:
        return ITEM_OF_TAG
    return ITEM_OF_OWNER if hides == NEVER_OWNER else NEVER_ITEM


@kernel_inner
def _also_hidden(state, events, i, item):
    """Hash of the tag that the context names, or of the item's owner, if the type says so; 0 = neither."""
    if events.hides[i] == NEVER_TAG:
        return events.tags[i]
    number = state.columns.owner[item] if events.hides[i] == NEVER_OWNER else NO_TEXT
    return state.texts.hashes[number - 1] if number != NO_TEXT else np.uint64(0)


@kernel_inner
def _block(own, limit, user, what, kind, ts):
    """Block an item or a tag for a user (hashes); what is blocked already is blocked anew."""
    kind = np.uint64(kind)
    row = pairs.find(own, user, what, kind)
    if row >= 0:
        pairs.drop(own, row)
    row = pairs.put(own, user, what, kind, limit)
    own.ts[row] = ts


@kernel_inner
def _unblock(own, user, what, kind):
    row = pairs.find(own, user, what, np.uint64(kind))
    while row >= 0:
        pairs.drop(own, row)
        row = pairs.find(own, user, what, np.uint64(kind))


@kernel_inner
def take_in_interest(state, rates, events, i, event, frozen):
    """Before an interest is learned: a dislike of the item is over, and if it can be taken back, it is remembered."""
    if state.blocked.counters[0].n_rows > 0 and event.weight > 0.0:
        _unblock(state.blocked, events.user_hashes[i], events.item_hashes[i], DISLIKED)
    if events.undo_kinds[i] != np.uint64(0) and not frozen:
        _remember(state, rates, events, i, event)


@kernel_inner
def _remember(state, rates, events, i, event):
    own, kind = state.undoable, events.undo_kinds[i]
    row = pairs.put(own, events.user_hashes[i], events.item_hashes[i], kind, MAX_UNDOABLE_PER_USER)
    own.ts[row] = event.ts
    own.places[row] = np.int64(state.histories.n_events[event.user])
    own.weights[row] = event.weight
    own.reaches[row] = event.weight * 0.5 ** popularity.repeats(state, event, rates.session_gap)


@kernel_inner
def _take_back(state, query, rates, events, i, event, frozen):
    """The latest event of the user on the item of the type that is undone; nothing if it is not remembered."""
    user, item = events.user_hashes[i], events.item_hashes[i]
    if events.undone[i] & UNDOES_DISLIKE:
        _unblock(state.blocked, user, item, DISLIKED)
    if events.undone[i] & UNDOES_NEVER:
        _unblock(state.blocked, user, item, _kind_of_item(events.hides[i]))
        more = _also_hidden(state, events, i, event.item)
        if more != np.uint64(0):
            _unblock(state.blocked, user, more, events.hides[i])
    row = pairs.find(state.undoable, user, item, events.undo_kinds[i])
    if row < 0 or frozen:
        return
    own, place = state.undoable, state.undoable.places[row]
    query.n_session[0] = 0
    # Its session may have left the history, or its user's row may be another's: then only counts are taken back.
    if histories.take_out(state.histories, event.user, place, event.code):
        query.n_session[0] = histories.session_before(
            state.histories, event.user, place, query.session_codes, query.session_steps, query.session_counts
        )
    query.n_past[0] = histories.past_items(state.histories, event.user, query.past_codes, query.past_steps)
    is_gone = histories.times_had(state.histories, event.user, event.code) == 0
    undone = Undone(
        event.user, event.item, event.code, own.ts[row], own.weights[row], own.reaches[row], is_gone
    )
    if undone.weight > 0.0:
        registry.undo(state, query, rates, undone)
    pairs.drop(own, row)


@kernel_inner
def mark_blocked(state, query, user, blocked):
    """Enter into the query what this user (a hash, 0 = nobody) has blocked, or (not `blocked`) take it out again."""
    own = state.blocked
    query.n_blocked_texts[0] = 0
    if own.counters[0].n_rows == 0 or user == np.uint64(0):
        return
    row = np.int64(own.heads[pairs.head_of(own, user)]) - 1
    while row >= 0:
        if own.users[row] == user:
            by_text = own.kinds[row] == np.uint64(NEVER_TAG) or own.kinds[row] == np.uint64(NEVER_OWNER)
            found = vocabulary.find_hash(state.texts if by_text else state.items, own.whats[row])
            if found >= 0 and not by_text:
                query.blocked[found] = blocked
            elif found >= 0 and blocked:
                sign = 1 if own.kinds[row] == np.uint64(NEVER_TAG) else -1
                query.blocked_texts[query.n_blocked_texts[0]] = sign * (found + 1)
                query.n_blocked_texts[0] += 1
        row = np.int64(own.later[row]) - 1


@kernel_inner
def is_blocked(state, query, row):
    """Has the user of this query blocked the item, its owner, or one of its tags?"""
    return query.blocked[row] or (query.n_blocked_texts[0] > 0 and _has_blocked_text(state, query, row))


@kernel_inner
def _has_blocked_text(state, query, row):
    own = state.columns
    for i in range(query.n_blocked_texts[0]):
        text = query.blocked_texts[i]
        if text < 0 and own.owner[row] == -text:
            return True
        for at in range(own.n_entries[row]):
            if text > 0 and own.columns[row, at] == TAG and own.values[row, at] == text:
                return True
    return False
