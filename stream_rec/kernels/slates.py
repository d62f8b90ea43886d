"""Slates: the k best candidates of a user, with the reason for each. Reads the state, writes only its outputs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import candidates, learn, ranker
from stream_rec.kernels.candidates import IN_PAST, IN_SESSION, N_CANDIDATES
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of
from stream_rec.kernels.compile import kernel, kernel_inlined, kernel_unlocked


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


def part(out: Slates, some: slice) -> Slates:
    """Views of the slates of some users."""
    return Slates._make(array[some] for array in out)


@kernel
def _query_vectors(s, x, rates, users, vectors, has_vector):
    for i in range(users.shape[0]):
        has_vector[i] = learn.read_query(s, x, rates, users[i], False)
        for j in range(x.vector.shape[0]):
            vectors[i, j] = x.vector[j]


@kernel_unlocked
def query_vectors(handle, users, vectors, has_vector):
    """vectors[i] = query of user row users[i] (-1 = stranger); has_vector[i] = is it one."""
    _query_vectors(handle.s, handle.x, handle.rates, users, vectors, has_vector)


@kernel_inlined
def _loudest_source(x, sources, c):
    learn.loudness(x, sources, c, x.loudness)
    return np.argmax(x.loudness)


@kernel_inlined
def _is_allowed(s, x, c, repeats):
    if not s.popularity.eligible[x.codes[c] & ROW_MASK]:
        return False
    if repeats:
        return True
    return x.features[IN_SESSION, c] == np.float32(0.0) and x.features[IN_PAST, c] == np.float32(0.0)


@kernel_inlined
def _best(s, x, k, repeats, order):
    """The k best allowed candidates, best first, ties by the order in which they were found; how many."""
    filled = 0
    for c in range(x.query[N_CANDIDATES]):
        if filled == k and x.scores[c] <= x.scores[order[k - 1]]:
            continue
        if not _is_allowed(s, x, c, repeats):
            continue
        if filled < k:
            filled += 1
        at = filled - 1
        while at > 0 and x.scores[order[at - 1]] < x.scores[c]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = c
    return filled


@kernel
def _fill(s, x, i, k, filled, out):
    """A small catalogue, or a user who has seen nearly all of it: add what is left, in the order of rows."""
    score = out.scores[i, filled - 1] if filled > 0 else np.float32(0.0)
    for row in range(s.items.counters[0].n_rows):
        if filled == k:
            break
        code = code_of(row, s.generation)
        if s.items.lengths[row] >= 0 and s.popularity.eligible[row] and candidates.index_of(x, code) < 0:
            out.codes[i, filled] = code
            out.scores[i, filled] = score
            out.sources[i, filled] = candidates.POPULARITY
            out.because[i, filled] = NO_CODE
            out.only_index[i, filled] = False
            filled += 1
    return filled


@kernel_inlined
def _gather(s, x, rates, user, vector, vector_rows, has_vector):
    candidates.read_context(s, x, user, False)
    for j in range(x.vector.shape[0]):
        x.vector[j] = vector[j]
    candidates.gather(s, x, rates, user, vector_rows, has_vector)


@kernel_unlocked
def gather(handle, user, vector, vector_rows, has_vector):
    """Candidates and features of one user row."""
    _gather(handle.s, handle.x, handle.rates, user, vector, vector_rows, has_vector)


@kernel_unlocked
def recommend(handle, users, vectors, has_vector, vector_rows, k, repeats, gathered, order, out):
    """Fill `out` for n user rows.

    Args:
        handle: state, read only; scratch.
        users: int32 [n], -1 = stranger: gets what is popular.
        vectors: float32 [n, F], of query_vectors.
        has_vector: bool [n].
        vector_rows: int32 [n, v], what the index found, -1 = nothing.
        k: places.
        repeats: may a slate hold items that the user has had.
        gathered: x holds the candidates of the only user already.
        order: int32 [k], working memory.
        out: written.
    """
    _recommend(
        handle.s,
        handle.x,
        handle.rates,
        users,
        vectors,
        has_vector,
        vector_rows,
        k,
        repeats,
        gathered,
        order,
        out,
    )


@kernel
def _recommend(s, x, rates, users, vectors, has_vector, vector_rows, k, repeats, gathered, order, out):
    for i in range(users.shape[0]):
        if not gathered:
            _gather(s, x, rates, users[i], vectors[i], vector_rows[i], has_vector[i])
        n = x.query[N_CANDIDATES]
        ranker.score(s.ranker, candidates.context_of(x), x.features, n, x.units, x.slopes, x.scores)
        filled = _best(s, x, k, repeats, order)
        for at in range(filled):
            c = order[at]
            out.codes[i, at] = x.codes[c]
            out.scores[i, at] = x.scores[c]
            out.sources[i, at] = _loudest_source(x, rates.source_of, c)
            out.because[i, at] = x.because[c] if x.because[c] != x.codes[c] else NO_CODE
            out.only_index[i, at] = x.found[c] == 0
        if filled < k:
            filled = _fill(s, x, i, k, filled, out)
        out.lengths[i] = filled
        out.codes[i, filled:] = NO_CODE
