"""Learning as a fold over single events: ask first, judge, train, and only then learn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import (
    candidates,
    factors,
    histories,
    item_neighbours,
    neighbours,
    popularity,
    ranker,
    transitions,
    vocabulary,
)
from stream_rec.kernels.candidates import N_PAST, N_SESSION
from stream_rec.kernels.codes import LAST_GENERATION, ROW_MASK, code_of
from stream_rec.kernels.compile import kernel, kernel_inlined, kernel_unlocked
from stream_rec.kernels.ids import mix
from stream_rec.kernels.state import N_LEARNED


class Events(NamedTuple):
    """n events as columns. See stream_rec.schemas.columns.IdColumn for `data` and `ends`."""

    user_data: NDArray[np.uint8]
    user_ends: NDArray[np.int64]
    user_hashes: NDArray[np.uint64]
    item_data: NDArray[np.uint8]
    item_ends: NDArray[np.int64]
    item_hashes: NDArray[np.uint64]
    sessions: NDArray[np.uint64]
    ts: NDArray[np.float64]
    weights: NDArray[np.float32]
    seeds: NDArray[np.uint64]


class Verdicts(NamedTuple):
    """Where judged events go, one after the other; `n` int64 [1] counts them. See engine.results.Judged."""

    at: NDArray[np.int32]
    rank: NDArray[np.int32]
    by_source: NDArray[np.int32]
    popularity: NDArray[np.int32]
    only_index: NDArray[np.bool_]
    n: NDArray[np.int64]


@kernel
def _start(ends, i):
    return ends[i - 1] if i > 0 else np.int64(0)


@kernel
def user_of(s, ev, i):
    """Row of event i's user, or -1."""
    return vocabulary.find(s.users, ev.user_data, _start(ev.user_ends, i), ev.user_ends[i], ev.user_hashes[i])


@kernel
def item_of(s, ev, i):
    """Row of event i's item, or -1."""
    return vocabulary.find(s.items, ev.item_data, _start(ev.item_ends, i), ev.item_ends[i], ev.item_hashes[i])


@kernel
def forget_user_row(s, row):
    """Wipe what is held under a user row."""
    histories.clear(s.histories, row)
    factors.clear_user(s.factors, row)


@kernel
def enter_item(s, rates, data, start, end, h, first_seen, seen, seed):
    """Give a new item a row, evicting the longest silent of a sweep when all are taken.

    first_seen is what its age is counted from, seen what its silence is.
    """
    row = s.items.counters[0].n_rows
    if row == s.generation.shape[0]:
        row = vocabulary.oldest_of_sweep(s.items)
        s.generation[row] = s.generation[row] % LAST_GENERATION + 1
        popularity.clear(s.popularity, row)
        transitions.clear(s.transitions, row)
        neighbours.clear(s.neighbours, row)
        item_neighbours.clear(s.item_neighbours, row)
    vocabulary.insert(s.items, data, start, end, h, row)
    s.items.seen[row] = seen
    s.first_seen[row] = first_seen
    factors.initialise_item(s.factors, rates.factors, row, mix(h ^ seed))
    return row


@kernel
def announce_item(s, row):
    """The item is new to readers, too."""
    s.newest[s.n_newest[0] % s.newest.shape[0]] = code_of(row, s.generation)
    s.n_newest[0] += 1


@kernel
def _enter_user(s, ev, i):
    row = s.users.counters[0].n_rows
    if row == s.histories.n_events.shape[0]:
        row = vocabulary.oldest_of_sweep(s.users)
        forget_user_row(s, row)
    start = _start(ev.user_ends, i)
    vocabulary.insert(s.users, ev.user_data, start, ev.user_ends[i], ev.user_hashes[i], row)
    return row


@kernel_inlined
def learn_event(s, x, rates, ev, i, seed, frozen):
    """Event i enters every source; frozen: only its user's history, as in evaluations that do not learn."""
    ts = ev.ts[i]
    user = user_of(s, ev, i)
    if user < 0:
        user = _enter_user(s, ev, i)
        s.users.seen[user] = ts
    item = item_of(s, ev, i)
    if item < 0:
        start = _start(ev.item_ends, i)
        item = enter_item(s, rates, ev.item_data, start, ev.item_ends[i], ev.item_hashes[i], ts, ts, seed)
        if not frozen:
            announce_item(s, item)
    code = code_of(item, s.generation)
    new_session = histories.starts_session(
        s.histories, user, s.users.seen[user], ts, ev.sessions[i], rates.session_gap
    )
    candidates.read_context(s, x, user, new_session)
    n_session = x.query[N_SESSION]
    in_session = False
    for k in range(n_session):
        in_session |= x.session_codes[k] == code

    s.clock[0] = max(s.clock[0], ts)
    if frozen:
        histories.append(s.histories, user, code, new_session, ev.sessions[i])
        s.users.seen[user] = max(s.users.seen[user], ts)
        return
    popularity.observe(s.popularity, item, ts, ev.weights[i])
    transitions.observe(s.transitions, x.session_codes, n_session, code, ts, ev.weights[i], s.generation)
    item_neighbours.observe(s.item_neighbours, x.past_codes, x.query[N_PAST], code, s.generation)
    if not in_session:
        neighbours.push(s.neighbours, item, user, np.int64(s.histories.n_events[user]))
        if s.histories.n_events[user] > 0:
            factors.learn(
                s.factors,
                rates.factors,
                user,
                x.session_codes,
                x.session_steps,
                n_session,
                item,
                ev.seeds[i],
                s.generation,
                x.vector,
                x.shares,
                x.gradient,
                x.picks,
                x.errors,
            )
    factors.observe(s.factors, rates.factors, code)
    histories.append(s.histories, user, code, new_session, ev.sessions[i])
    s.users.seen[user] = max(s.users.seen[user], ts)
    s.items.seen[item] = max(s.items.seen[item], ts)
    s.counters[N_LEARNED] += 1


@kernel_inlined
def read_query(s, x, rates, user, new_session):
    """Fill x with the context and the query vector of a user row (-1 = stranger); False = no vector."""
    candidates.read_context(s, x, user, new_session)
    has_vector = factors.query_vector(
        s.factors,
        rates.factors,
        user,
        x.session_codes,
        x.session_steps,
        x.query[N_SESSION],
        s.generation,
        x.vector,
        x.shares,
    )
    return has_vector and rates.sources[candidates.FACTORIZATION]


@kernel_inlined
def prepare(s, x, rates, ev, i):
    """Ask for event i, before it is learned: fills x; False = there is no vector to search with."""
    user = user_of(s, ev, i)
    new_session = True
    if user >= 0:
        new_session = histories.starts_session(
            s.histories, user, s.users.seen[user], ev.ts[i], ev.sessions[i], rates.session_gap
        )
    return read_query(s, x, rates, user, new_session)


LEAST_SLOPE = np.float32(0.01)
"""Alone, a source ranks by its features even where the blend gives them none."""


@kernel
def loudness(x, sources, c, out):
    """What each source says of candidate c, by the ranker's slopes: out float32 [sources]; 0 = nothing."""
    out[:] = np.float32(0.0)
    for j in range(sources.shape[0]):
        out[sources[j]] += max(x.slopes[j], LEAST_SLOPE) * x.features[j, c]


@kernel_inlined
def compete(s, x, target):
    """Fill x.competes: which candidates can be recommended and are not left out, but for the target itself."""
    for c in range(x.query[candidates.N_CANDIDATES]):
        row = x.codes[c] & ROW_MASK
        x.competes[c] = s.popularity.eligible[row] and not x.left_out[row]
    x.competes[target] = False


@kernel_inlined
def rank_of(x, scores, target):
    """1-based rank of a candidate among those that compete; ties count against it."""
    rank = 1
    for c in range(x.query[candidates.N_CANDIDATES]):
        rank += x.competes[c] & (scores[c] >= scores[target])
    return rank


@kernel_inlined
def rank_by_source(x, sources, target, ranks):
    """Ranks of the target by each source alone, int32 [sources]; 0 where a source does not know it."""
    n = x.query[candidates.N_CANDIDATES]
    for source in range(ranks.shape[0]):
        for c in range(n):
            x.voices[c] = np.float32(0.0)
        for j in range(sources.shape[0]):
            if sources[j] == source:
                ranker.add_scaled(x.voices, max(x.slopes[j], LEAST_SLOPE), x.features[j], n)
        ranks[source] = rank_of(x, x.voices, target) if x.voices[target] > np.float32(0.0) else 0


@kernel_unlocked
def gather(handle, ev, i, vector_rows, has_vector):
    """Candidates and features for event i; x is as `prepare` left it. For sources that score outside of kernels."""
    _gather(handle.s, handle.x, handle.rates, ev, i, vector_rows, has_vector)


@kernel_inlined
def _gather(s, x, rates, ev, i, vector_rows, has_vector):
    candidates.gather(s, x, rates, user_of(s, ev, i), vector_rows, has_vector)


@kernel_inlined
def judge(s, x, rates, ev, i, train, out):
    """Rank event i's item among everything, write the verdict, and (train) let the ranker learn from it.

    x is as `gather` left it for this event. Ranking is over the full catalogue: items that are no candidates stand
    below all candidates; those in x.left_out take no part. The features know nothing of event i but its time's place
    in the log.
    """
    n = x.query[candidates.N_CANDIDATES]
    context = candidates.context_of(x)
    ranker.score(s.ranker, context, x.features, n, x.units, x.slopes, x.scores)
    item = item_of(s, ev, i)
    target = -1
    at = out.n[0]
    out.n[0] = at + 1
    out.at[at] = i
    out.popularity[at] = 0
    if item >= 0:
        target = candidates.index_of(x, code_of(item, s.generation))
        out.popularity[at] = popularity.rank_of_row(s.popularity, 1, item, x.left_out)
    out.rank[at] = 0
    out.by_source[at, :] = 0
    out.only_index[at] = False
    if target < 0:
        return
    compete(s, x, target)
    out.rank[at] = rank_of(x, x.scores, target)
    out.only_index[at] = x.found[target] == 0
    if train:
        ranker.learn(s.ranker, context, x.features, n, x.units, x.slopes, x.scores, target, rates.ranker)
    rank_by_source(x, rates.source_of, target, out.by_source[at])


@kernel_unlocked
def advance(handle, ev, first, last, vector_rows, flags, out, seed):
    """Learn events first..last - 1, judging the first one before it is learned if it was asked for.

    Args:
        handle: state, changed in place; scratch, as the previous call left it if event `first` was asked for.
        ev: events.
        first: index of the first event to learn.
        last: one past the last; the event that is asked for next, if ask_next.
        vector_rows: int32 [v], what the index found for event `first`.
        flags: bool [6]: judge the first event, it has a vector, train on it, ask for event `last`, frozen, x holds
            the first event's candidates already.
        out: verdicts.
        seed: uint64, of new items' factors.

    Returns:
        Whether x.vector now is a query for event `last`.
    """
    return _advance(handle.s, handle.x, handle.rates, ev, first, last, vector_rows, flags, out, seed)


@kernel
def _advance(s, x, rates, ev, first, last, vector_rows, flags, out, seed):
    if flags[0]:
        if not flags[5]:
            _gather(s, x, rates, ev, first, vector_rows, flags[1])
        judge(s, x, rates, ev, first, flags[2], out)
    for i in range(first, last):
        learn_event(s, x, rates, ev, i, seed, flags[4])
    if flags[3]:
        return prepare(s, x, rates, ev, last)
    return False
