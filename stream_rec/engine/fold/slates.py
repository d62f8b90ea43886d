"""Slates: the k best candidates of a user, with the reason for each. Reads the state, writes only its outputs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold import judge, learn
from stream_rec.kernels import candidates
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of
from stream_rec.kernels.compile import kernel, kernel_inlined, kernel_unlocked
from stream_rec.sources import registry
from stream_rec.sources.features import number_of, number_of_source

IN_SESSION, IN_PAST = number_of("in_session"), number_of("in_past")
POPULARITY = number_of_source("popularity")


class Rules(NamedTuple):
    """What a slate of a scenario may hold, as kernels read it.

    Attributes:
        k: places.
        allow_seen: may it hold items that the user has had.
    """

    k: int
    allow_seen: bool


class Asked(NamedTuple):
    """Who is to get a slate, and what the vector index says of them.

    Attributes:
        users: int32 [n], rows; -1 = unknown user: gets what is popular.
        vectors: float32 [n, F], of query_vectors.
        has_vector: bool [n].
        indexed: int32 [n, v], item rows that the index found, -1 = nothing.
    """

    users: NDArray[np.int32]
    vectors: NDArray[np.float32]
    has_vector: NDArray[np.bool_]
    indexed: NDArray[np.int32]


class Slates(NamedTuple):
    """n slates of k places, best first.

    Attributes:
        codes: int32 [n, k], NO_CODE = empty.
        scores: float32 [n, k].
        sources: int8 [n, k].
        because: int32 [n, k], NO_CODE = nothing of the user's.
        only_index: bool [n, k].
        lengths: int32 [n].
    """

    codes: NDArray[np.int32]
    scores: NDArray[np.float32]
    sources: NDArray[np.int8]
    because: NDArray[np.int32]
    only_index: NDArray[np.bool_]
    lengths: NDArray[np.int32]


@kernel
def _query_vectors(state, query, rates, users, vectors, has_vector):
    for i in range(users.shape[0]):
        has_vector[i] = learn.read_query(state, query, rates, users[i], False)
        for j in range(query.vector.shape[0]):
            vectors[i, j] = query.vector[j]


@kernel_unlocked
def query_vectors(handle, users, vectors, has_vector):
    """vectors[i] = query of user row users[i] (-1 = unknown user); has_vector[i] = is it one."""
    _query_vectors(handle.state, handle.query, handle.rates, users, vectors, has_vector)


@kernel_inlined
def _main_source(query, source_of, c):
    """The source that contributes most to candidate c."""
    judge.source_contributions(query, source_of, c, query.source_contributions)
    return np.argmax(query.source_contributions)


@kernel_inlined
def _is_allowed(state, query, c, rules):
    if not state.popularity.eligible[query.codes[c] & ROW_MASK]:
        return False
    if rules.allow_seen:
        return True
    in_session, in_past = query.features[IN_SESSION, c], query.features[IN_PAST, c]
    return in_session == np.float32(0.0) and in_past == np.float32(0.0)


@kernel_inlined
def _best(state, query, rules, order):
    """The k best allowed candidates, best first, ties by the order in which they were found; how many."""
    filled = 0
    for c in range(query.n_candidates[0]):
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


@kernel
def _fill(state, query, i, k, filled, out):
    """A small catalogue, or a user who has seen nearly all of it: add what is left, in the order of rows."""
    score = out.scores[i, filled - 1] if filled > 0 else np.float32(0.0)
    for row in range(state.items.counters[0].n_rows):
        if filled == k:
            break
        code = code_of(row, state.generation)
        is_shown = state.items.lengths[row] >= 0 and state.popularity.eligible[row]
        if is_shown and candidates.index_of(query, code) < 0:
            out.codes[i, filled] = code
            out.scores[i, filled] = score
            out.sources[i, filled] = POPULARITY
            out.because[i, filled] = NO_CODE
            out.only_index[i, filled] = False
            filled += 1
    return filled


@kernel_inlined
def _gather(state, query, rates, asked, i):
    candidates.read_context(state, query, asked.users[i], False)
    for j in range(query.vector.shape[0]):
        query.vector[j] = asked.vectors[i, j]
    registry.gather(state, query, rates, asked.indexed[i], asked.has_vector[i])


@kernel
def _gather_only(state, query, rates, asked, i):
    _gather(state, query, rates, asked, i)


@kernel_unlocked
def gather(handle, asked, i):
    """Candidates and features of one of those who ask."""
    _gather_only(handle.state, handle.query, handle.rates, asked, i)


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
    _recommend(handle.state, handle.query, handle.rates, asked, rules, gathered, order, out)


@kernel
def _recommend(state, query, rates, asked, rules, gathered, order, out):
    for i in range(asked.users.shape[0]):
        if not gathered:
            _gather(state, query, rates, asked, i)
        judge.score(state, query, rates)
        filled = _best(state, query, rules, order)
        for at in range(filled):
            c = order[at]
            out.codes[i, at] = query.codes[c]
            out.scores[i, at] = query.scores[c]
            out.sources[i, at] = _main_source(query, rates.source_of, c)
            out.because[i, at] = query.because[c] if query.because[c] != query.codes[c] else NO_CODE
            out.only_index[i, at] = query.found[c] == 0
        if filled < rules.k:
            filled = _fill(state, query, i, rules.k, filled, out)
        out.lengths[i] = filled
        out.codes[i, filled:] = NO_CODE
