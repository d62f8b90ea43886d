"""Slates: the k best candidates of a user, with the reason for each. Reads the state, writes only its outputs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold import judge, learn, reject
from stream_rec.engine.fold.shown import may_be_shown
from stream_rec.kernels import candidates, histories, past
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of, is_current
from stream_rec.kernels.compile import kernel_inner, kernel_unlocked
from stream_rec.kernels.reference import lend
from stream_rec.schemas.event_types import ALL_TYPES
from stream_rec.sources import registry
from stream_rec.sources.features import number_of_source
from stream_rec.sources.popularity import MIDDLE

POPULARITY = number_of_source("popularity")


class Rules(NamedTuple):
    """What a slate of a scenario may hold, as kernels read it.

    Attributes:
        k: places.
        allow_seen: may it hold items that the user has had: the last events', and those
            before (`kernels.past`).
        only_catalogue: may it hold only items that the catalogue has.
        only_connected: may it hold only what a source found from an item of the user's.
        or_seen: where that leaves nothing, are items that the user has had allowed after all. The slate is marked
            `relaxed` then.
    """

    k: int
    allow_seen: bool
    only_catalogue: bool = False
    only_connected: bool = False
    or_seen: bool = False


class Asked(NamedTuple):
    """Who is to get a slate, and what the vector index says of them.

    Attributes:
        users: int32 [n], rows; -1 = unknown user: gets what is popular.
        hashes: uint64 [n], of the users' ids; 0 = nobody's: nothing is blocked.
        vectors: float32 [n, F], of query_vectors.
        has_vector: bool [n].
        indexed: int32 [n, v], item rows that the index found, -1 = nothing.
        near: int32 [n, S, m], item rows that the index of each vector space found, -1 = nothing.
    """

    users: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    vectors: NDArray[np.float32]
    has_vector: NDArray[np.bool_]
    indexed: NDArray[np.int32]
    near: NDArray[np.int32]


class Near(NamedTuple):
    """What the indexes of the vector spaces are asked for n users; see sources.vectors. S = slots.

    Attributes:
        means: float32 [n, S, W].
        singles: int32 [n, S, N_SINGLE], rows of the user's last items in the space, newest first, -1 = none.
        asks: bool [n, S].
    """

    means: NDArray[np.float32]
    singles: NDArray[np.int32]
    asks: NDArray[np.bool_]


class Slates(NamedTuple):
    """n slates of k places, best first.

    Attributes:
        codes: int32 [n, k], NO_CODE = empty.
        scores: float32 [n, k].
        sources: int8 [n, k].
        because: int32 [n, k], NO_CODE = nothing of the user's.
        only_index: bool [n, k].
        lengths: int32 [n].
        relaxed: bool [n], it holds items that the user has had, for want of others (Rules.or_seen).
    """

    codes: NDArray[np.int32]
    scores: NDArray[np.float32]
    sources: NDArray[np.int8]
    because: NDArray[np.int32]
    only_index: NDArray[np.bool_]
    lengths: NDArray[np.int32]
    relaxed: NDArray[np.bool_]


@kernel_inner
def _query_vectors(state, query, rates, users, vectors, has_vector, near):
    for i in range(users.shape[0]):
        has_vector[i] = learn.read_query(state, query, rates, users[i], False)
        for s in range(near.asks.shape[1]):
            near.asks[i, s] = query.spaces.asks[s]
            for j in range(near.singles.shape[2]):
                near.singles[i, s, j] = query.spaces.singles[s, j]
            for j in range(near.means.shape[2]):
                near.means[i, s, j] = query.spaces.means[s, j]
        for j in range(query.vector.shape[0]):
            vectors[i, j] = query.vector[j]


@kernel_unlocked
def query_vectors(handle, users, vectors, has_vector, near):
    """vectors[i] = query of user row users[i] (-1 = unknown user); has_vector[i] = is it one; and `near` of all."""
    _query_vectors(handle.state, handle.query, handle.rates, users, vectors, has_vector, lend(near))


@kernel_inner
def mark_seen(state, query, types, seen):
    """query.seen of all that the user has had by events of some types (a bit set).

    It is read from the histories themselves: no source needs to be heard for it.
    """
    user = query.user[0]
    if user >= 0:
        past.mark(state.past, state.generation, user, types, query.seen, seen)
        histories.mark_had(state.histories, state.generation, user, types, query.seen, seen)
        return
    for i in range(query.n_past[0]):
        if is_current(query.past_codes[i], state.generation):
            query.seen[query.past_codes[i] & ROW_MASK] = seen


@kernel_inner
def _may_be_shown(state, query, row, rules):
    if not may_be_shown(state, row, rules.only_catalogue) or reject.is_blocked(state, query, row):
        return False
    return rules.allow_seen or not query.seen[row]


@kernel_inner
def _is_allowed(state, query, c, rules):
    if rules.only_connected and query.because[c] == NO_CODE:
        return False
    return _may_be_shown(state, query, query.codes[c] & ROW_MASK, rules)


@kernel_inner
def _best(state, query, rules, clicked, order):
    """The k best allowed candidates but the one clicked last, best first; how many.

    Ties stand in the order in which they were found.
    """
    filled = 0
    for c in range(query.n_candidates[0]):
        if query.codes[c] == clicked:
            continue
        if filled == rules.k and query.scores[c] <= query.scores[order[rules.k - 1]]:
            continue
        if not _is_allowed(state, query, c, rules):
            continue
        if filled < rules.k:
            filled += 1
        at = filled - 1
        while at > 0 and query.scores[order[at - 1]] < query.scores[c]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = c
    return filled


@kernel_inner
def _write(query, source_of, c, i, at, out):
    """Candidate c into a place."""
    out.codes[i, at] = query.codes[c]
    out.scores[i, at] = query.scores[c]
    out.sources[i, at] = judge.main_source(query, source_of, c)
    out.because[i, at] = query.because[c] if query.because[c] != query.codes[c] else NO_CODE
    out.only_index[i, at] = query.found[c] == 0


@kernel_inner
def _shift(i, at, filled, out):
    """Move places at .. filled - 2 down by one."""
    for to in range(filled - 1, at, -1):
        out.codes[i, to] = out.codes[i, to - 1]
        out.scores[i, to] = out.scores[i, to - 1]
        out.sources[i, to] = out.sources[i, to - 1]
        out.because[i, to] = out.because[i, to - 1]
        out.only_index[i, to] = out.only_index[i, to - 1]


@kernel_inner
def _insert_clicked(state, query, source_of, i, rules, clicked, filled, out):
    """The item of the user's last event, where its score puts it, but not first: people are there already.

    It keeps no higher score than the item before it. If there is nothing else, it is the slate.
    """
    c = candidates.index_of(query, clicked) if clicked != NO_CODE else -1
    if c < 0 or query.codes[c] != clicked or not _is_allowed(state, query, c, rules):
        return filled
    at = filled
    while at > 1 and out.scores[i, at - 1] < query.scores[c]:
        at -= 1
    if at == rules.k:
        return filled
    filled = min(filled + 1, rules.k)
    _shift(i, at, filled, out)
    _write(query, source_of, c, i, at, out)
    if at > 0:
        out.scores[i, at] = min(out.scores[i, at], out.scores[i, at - 1])
    return filled


@kernel_inner
def _fill(state, query, i, rules, clicked, filled, out):
    """A small catalogue, or a user who has seen nearly all of it: add what is left, the most popular first.

    Ties stand in the order of rows.
    """
    weights = state.popularity.reach[MIDDLE]
    first, k = filled, rules.k
    for row in range(state.items.counters[0].n_rows):
        if filled == k and weights[row] <= weights[out.codes[i, k - 1] & ROW_MASK]:
            continue
        code = code_of(row, state.generation)
        is_shown = state.items.lengths[row] >= 0 and _may_be_shown(state, query, row, rules)
        if not is_shown or code == clicked or candidates.index_of(query, code) >= 0:
            continue
        if filled < k:
            filled += 1
        at = filled - 1
        while at > first and weights[out.codes[i, at - 1] & ROW_MASK] < weights[row]:
            out.codes[i, at] = out.codes[i, at - 1]
            at -= 1
        out.codes[i, at] = code
    for at in range(first, filled):
        out.scores[i, at] = out.scores[i, first - 1] if first > 0 else np.float32(0.0)
        out.sources[i, at] = POPULARITY
        out.because[i, at] = NO_CODE
        out.only_index[i, at] = False
    return filled


@kernel_inner
def gather_one(state, query, rates, asked, i):
    """Candidates and features of the i-th of those who ask."""
    candidates.read_context(state, query, asked.users[i], False)
    for j in range(query.vector.shape[0]):
        query.vector[j] = asked.vectors[i, j]
    for s in range(asked.near.shape[1]):
        for j in range(asked.near.shape[2]):
            query.spaces.found[s, j] = asked.near[i, s, j]
    registry.gather(state, query, rates, asked.indexed[i], asked.has_vector[i])


@kernel_unlocked
def gather(handle, asked, i):
    """Candidates and features of one of those who ask."""
    gather_one(handle.state, handle.query, handle.rates, lend(asked), i)


@kernel_unlocked
def score(handle):
    """The ranker's scores of the candidates that were gathered."""
    judge.score(handle.state, handle.query, handle.rates)


@kernel_unlocked
def recommend(handle, asked, rules, gathered, order, out):
    """Fill `out` for n user rows.

    Args:
        handle: state, read only; query.
        asked: Asked.
        rules: Rules.
        gathered: the query holds the candidates of the only user already.
        order: int32 [k], working memory.
        out: Slates, written.
    """
    state, query, rates = handle.state, handle.query, handle.rates
    _recommend(state, query, rates, lend(asked), rules, gathered, order, lend(out))


@kernel_inner
def _slate(state, query, rates, rules, order, i, out):
    """Slate i from the scored candidates, and from the rest of the catalogue; its length."""
    clicked = query.past_codes[0] if query.n_past[0] > 0 else np.int32(NO_CODE)
    filled = _best(state, query, rules, clicked, order)
    for at in range(filled):
        _write(query, rates.source_of, order[at], i, at, out)
    has_others = filled > 0
    if has_others:
        filled = _insert_clicked(state, query, rates.source_of, i, rules, clicked, filled, out)
    if filled < rules.k and not rules.only_connected:
        filled = _fill(state, query, i, rules, clicked, filled, out)
    if not has_others:
        filled = _insert_clicked(state, query, rates.source_of, i, rules, clicked, filled, out)
    if filled == 0 and not rules.only_connected:  # no source has proposed the only item there is
        filled = _fill(state, query, i, rules, np.int32(NO_CODE), filled, out)
    return filled


@kernel_inner
def _recommend(state, query, rates, asked, rules, gathered, order, out):
    for i in range(asked.users.shape[0]):
        if not gathered:
            gather_one(state, query, rates, asked, i)
        judge.score(state, query, rates)
        judge.compare_sources(query, rates.source_of)
        mark_seen(state, query, ALL_TYPES, True)
        reject.mark_blocked(state, query, asked.hashes[i], True)
        filled = _slate(state, query, rates, rules, order, i, out)
        out.relaxed[i] = False
        if filled == 0 and rules.or_seen and not rules.allow_seen:
            freed = Rules(rules.k, True, rules.only_catalogue, rules.only_connected, True)
            filled = _slate(state, query, rates, freed, order, i, out)
            out.relaxed[i] = filled > 0
        mark_seen(state, query, ALL_TYPES, False)
        reject.mark_blocked(state, query, asked.hashes[i], False)
        out.lengths[i] = filled
        out.codes[i, filled:] = NO_CODE
