"""Learning as a fold over single events: ask first, judge, train, and only then learn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold import judge, reject
from stream_rec.kernels import candidates, columns, hidden, histories, past, vocabulary
from stream_rec.kernels.codes import LAST_GENERATION, NO_CODE, code_of
from stream_rec.kernels.compile import kernel, kernel_inner, kernel_unlocked
from stream_rec.kernels.ids import mix
from stream_rec.kernels.query import Event
from stream_rec.schemas.event_types import Meaning
from stream_rec.sources import factorization, popularity, ratings, registry, vectors
from stream_rec.sources.features import number_of_source

FACTORIZATION = number_of_source("factorization")
POSITIVE = int(Meaning.POSITIVE)


class Events(NamedTuple):
    """n events as columns. See stream_rec.schemas.columns.IdColumn for `data` and `ends`.

    `meanings` are those of schemas.event_types, IGNORED only if the event rates its item: `ratings`, NaN = it does not
    (empty if no type of event does). `undo_kinds` is the kind under which an event can
    be taken back (0 = it cannot), or under which the one stands that an UNDONE takes back; `undone` then are bits of
    fold.reject, what else it takes back. `hides` is the kind (kernels.pairs) of what a NEVER blocks besides the item,
    0 = nothing, and `tags` the hash of the tag that its context names, 0 = none. `types` are the types' numbers.
    """

    user_data: NDArray[np.uint8]
    user_ends: NDArray[np.int64]
    user_hashes: NDArray[np.uint64]
    item_data: NDArray[np.uint8]
    item_ends: NDArray[np.int64]
    item_hashes: NDArray[np.uint64]
    sessions: NDArray[np.uint64]
    ts: NDArray[np.float64]
    weights: NDArray[np.float32]
    meanings: NDArray[np.uint8]
    undo_kinds: NDArray[np.uint64]
    undone: NDArray[np.uint8]
    hides: NDArray[np.uint8]
    tags: NDArray[np.uint64]
    types: NDArray[np.uint8]
    ratings: NDArray[np.float32]
    seeds: NDArray[np.uint64]


class Step(NamedTuple):
    """What one call of `advance` is to do besides learning.

    Attributes:
        judge: rank the first event before it is learned.
        has_vector: the query of the first event has a vector, so the index was asked.
        gathered: the query holds the first event's candidates already.
        train: let the ranker learn from the first event.
        ask_next: prepare the query of event `last`.
        frozen: learn nothing but histories.
    """

    judge: bool
    has_vector: bool
    gathered: bool
    train: bool
    ask_next: bool
    frozen: bool


@kernel_inner
def _start(ends, i):
    return ends[i - 1] if i > 0 else np.int64(0)


@kernel_inner
def user_of(state, events, i):
    """Row of event i's user, or -1."""
    start = _start(events.user_ends, i)
    return vocabulary.find(state.users, events.user_data, start, events.user_ends[i], events.user_hashes[i])


@kernel
def item_of(state, events, i):
    """Row of event i's item, or -1."""
    start = _start(events.item_ends, i)
    return vocabulary.find(state.items, events.item_data, start, events.item_ends[i], events.item_hashes[i])


@kernel_inner
def forget_user_row(state, row):
    """Wipe what is held under a user row."""
    histories.clear(state.histories, row)
    past.clear(state.past, row)
    registry.evict_user(state, row)


@kernel_inner
def enter_item(state, rates, data, start, end, id_hash, first_seen, seen, seed):
    """Give a new item a row, evicting one that nobody has used, or else the longest silent, when all are taken.

    first_seen is what its age is counted from, seen what its silence is. It is not eligible if its id is hidden.
    """
    row = state.items.counters[0].n_rows
    if row == state.generation.shape[0]:
        row = vocabulary.unused_of_sweep(state.items)
        state.generation[row] = state.generation[row] % LAST_GENERATION + 1
        registry.evict_item(state, row)
        columns.clear(state.columns, state.texts, row)
    vocabulary.insert(state.items, data, start, end, id_hash, row)
    state.items.seen[row] = seen
    state.first_seen[row] = first_seen
    state.in_catalogue[row] = False
    columns.touch(state.columns, row)
    registry.enter_item(state, rates, row, mix(id_hash ^ seed))
    if hidden.holds(state.hidden, data, start, end, id_hash):
        popularity.set_eligible(state.popularity, row, False)
    return row


@kernel_inner
def announce_item(state, row):
    """The item is new to readers, too."""
    state.newest[state.n_newest[0] % state.newest.shape[0]] = code_of(row, state.generation)
    state.n_newest[0] += 1


@kernel_inner
def _enter_user(state, events, i):
    row = state.users.counters[0].n_rows
    if row == state.histories.n_events.shape[0]:
        row = vocabulary.oldest_of_sweep(state.users)
        forget_user_row(state, row)
    start = _start(events.user_ends, i)
    vocabulary.insert(state.users, events.user_data, start, events.user_ends[i], events.user_hashes[i], row)
    return row


@kernel_inner
def _user_row(state, events, i):
    """The row of event i's user, who is entered if new."""
    user = user_of(state, events, i)
    if user < 0:
        user = _enter_user(state, events, i)
        state.users.seen[user] = events.ts[i]
    return user


@kernel_inner
def _item_row(state, rates, events, i, seed, frozen):
    """The row of event i's item, which is entered if new, and announced but in a frozen state."""
    item = item_of(state, events, i)
    if item < 0:
        start, ts = _start(events.item_ends, i), events.ts[i]
        item = enter_item(
            state, rates, events.item_data, start, events.item_ends[i], events.item_hashes[i], ts, ts, seed
        )
        if not frozen:
            announce_item(state, item)
    return item


@kernel_inner
def _rates(events, i):
    return events.ratings.shape[0] > 0 and not np.isnan(events.ratings[i])


@kernel
def learn_event(state, query, rates, events, i, seed, frozen):
    """Event i enters every source; frozen: only its user's history, as in evaluations that do not learn.

    One that is no interest enters no history: `fold.reject`. One of weight 0 enters nothing else.
    """
    ts = events.ts[i]
    user = _user_row(state, events, i)
    item = _item_row(state, rates, events, i, seed, frozen)
    code = code_of(item, state.generation)
    new_session = histories.starts_session(
        state.histories, user, state.users.seen[user], ts, events.sessions[i], rates.session_gap
    )
    candidates.read_context(state, query, user, new_session)
    in_session = False
    for k in range(query.n_session[0]):
        in_session |= query.session_codes[k] == code
    state.clock[0] = max(state.clock[0], ts)
    event = Event(user, item, code, ts, events.weights[i], events.seeds[i], not in_session)
    if _rates(events, i) and not frozen:
        value = np.float64(events.ratings[i])
        ratings.rate(state.ratings, rates.ratings, user, item, value, events.seeds[i])
    if events.meanings[i] != POSITIVE:
        reject.take_in(state, query, rates, events, i, event, new_session, frozen)
        return
    reject.take_in_interest(state, rates, events, i, event, frozen)
    if not frozen:
        if event.weight > 0.0:
            registry.learn(state, query, rates, event)
        state.items.seen[item] = max(state.items.seen[item], ts)
        state.counters[0].n_learned += 1
    left = histories.leaves_next(state.histories, user)
    if left != NO_CODE:
        left_type = histories.type_that_leaves(state.histories, user)
        past.add(state.past, user, left, left_type, rates.conversions)
    kind = events.types[i] if event.weight > 0.0 else events.types[i] | histories.WEIGHTLESS
    pause = ts - state.users.seen[user]
    histories.append(state.histories, user, code, new_session, events.sessions[i], kind, pause)
    state.users.seen[user] = max(state.users.seen[user], ts)


@kernel
def read_query(state, query, rates, user, new_session):
    """Fill the query with the context and the vector of a user row (-1 = unknown user); False = no vector."""
    candidates.read_context(state, query, user, new_session)
    vectors.read_spaces(state, query, rates)
    return factorization.read_vector(state, query, rates) and rates.heard[FACTORIZATION]


@kernel_inner
def begins_session(state, rates, events, i, user):
    """Would event i, of this user row (-1 = unknown user), begin a session?"""
    if user < 0:
        return True
    return histories.starts_session(
        state.histories,
        user,
        state.users.seen[user],
        events.ts[i],
        events.sessions[i],
        rates.session_gap,
    )


@kernel
def prepare(state, query, rates, events, i):
    """Ask for event i, before it is learned: fills the query; False = there is no vector to search with."""
    user = user_of(state, events, i)
    return read_query(state, query, rates, user, begins_session(state, rates, events, i, user))


@kernel
def gather(handle, indexed, has_vector):
    """Candidates and features of the context that the query holds. For sources that score outside of kernels."""
    registry.gather(handle.state, handle.query, handle.rates, indexed, has_vector)


@kernel_unlocked
def advance(handle, events, first, last, step, indexed, ranks, seed):
    """Learn events first..last - 1, judging the first one before it is learned if it was asked for.

    Args:
        handle: state, changed in place; query, as the previous call left it if event `first` was asked for.
        events: the batch, a reference: to take twenty arrays apart, call by call, took longer than many an event.
        first: index of the first event to learn.
        last: one past the last; the event that is asked for next, if step.ask_next.
        step: Step.
        indexed: int32 [v], what the index found for event `first`.
        ranks: PrequentialRanks, a reference, written.
        seed: uint64, of new items' factors.

    Returns:
        Whether query.vector now is a query for event `last`.
    """
    state, query, rates = handle.state, handle.query, handle.rates
    return _advance(state, query, rates, events, first, last, step, indexed, ranks, seed)


@kernel_inner
def _advance(state, query, rates, events, first, last, step, indexed, ranks, seed):
    if step.judge:
        if not step.gathered:
            registry.gather(state, query, rates, indexed, step.has_vector)
        item, user_hash = item_of(state, events, first), events.user_hashes[first]
        judge.judge(state, query, rates, first, item, user_hash, step.train, ranks)
    for i in range(first, last):
        if _rates(events, i):
            user, item = user_of(state, events, i), item_of(state, events, i)
            ranks.predicted[i] = ratings.expect(state.ratings, user, item)
        learn_event(state, query, rates, events, i, seed, step.frozen)
    if step.ask_next:
        return prepare(state, query, rates, events, last)
    return False
