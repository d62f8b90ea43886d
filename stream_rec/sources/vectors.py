"""Vector spaces: what others know of items, as vectors, next to what the user had.

A space holds a vector of unit length for each of its items: a shop's embeddings of texts or pictures, factors that were
fitted overnight, or what is hashed from the catalogue (the built-in space `content`). Each space has a slot; its
vectors come from the log (`engine.spaces`), and an index of its own finds what is near: nearest to the mean of what
the user had of late, and to the last item alone. Three features for each slot, which stand behind all others and so
have no row in the table: the cosine with the mean; the greatest cosine with one of the last items; and the first once
more for items that have hardly any events, where it is all there is to go by.

An item needs no event to be found, and a user only one. And where a space is in use, what is counted of items that came
lately is read by their exposure (`sources.exposure`).
Sources: content profiles, Pazzani and Billsus, "Content-based recommendation systems", 2007, section 10.3; best single
item, Sarwar, Karypis, Konstan, Riedl, "Item-based collaborative filtering", WWW 2001.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.candidates import candidate
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of, is_current
from stream_rec.kernels.compile import kernel_inner, kernel_inner_sums
from stream_rec.kernels.decay import growth
from stream_rec.kernels.ownership import PerItem, PerItemInSlots
from stream_rec.kernels.slots import PER_SPACE
from stream_rec.sources import exposure
from stream_rec.sources.features import N_FEATURES

NAME_BYTES = 64
N_WORDS = 65_536
N_PROFILE = 16
"""Items of the user's that the mean is taken over, at most: the last ones that have a vector."""
N_SINGLE = 3
"""Of these, how many are compared one by one."""
N_NEAR = 100
"""Items that an index is asked for in one query."""
N_KNOWN = 40
"""Of these, so many become candidates in any case, and of the others those that no other source would find."""
COLD_EVENTS = 5.0
"""With so many events of late an item is half as cold as with none."""
LEAST_COLD = np.float32(0.5)
N_QUERIES = 2
"""Of each space: the mean, and the last item."""
FEATURES = ("mean", "single", "cold")
"""Of each space."""
PRIORS = (0.3, 0.3, 1.0)


class SpaceState(NamedTuple):
    """State; S = slots, W = width.

    Attributes:
        vectors: float32 [S, items, W], of unit length, or 0; 0 behind the space's own width.
        has: bool [items, S], is there a vector.
        gone: bool [items], the row was given to another item since the indexes were last told.
        dimensions: int32 [S], of the vectors as they come; 0 = the slot is free.
        counts: int64 [S], items that have one.
        changes: int64 [S], records learned since the slot was taken.
        names: uint8 [S, NAME_BYTES], of the spaces, 0 behind the name.
        frequencies: int32 [N_WORDS], items of the catalogue that a hashed word of theirs counted for.
        n_texts: int64 [1], records of the catalogue that were counted.
    """

    vectors: PerItemInSlots[np.float32]
    has: PerItem[np.bool_]
    gone: PerItem[np.bool_]
    dimensions: NDArray[np.int32]
    counts: NDArray[np.int64]
    changes: NDArray[np.int64]
    names: NDArray[np.uint8]
    frequencies: NDArray[np.int32]
    n_texts: NDArray[np.int64]


class SpaceScratch(NamedTuple):
    """Working memory of one query.

    Attributes:
        means: float32 [S, W], of unit length.
        singles: int32 [S, N_SINGLE], rows of the user's last items that have a vector, newest first, -1 = none.
        asks: bool [S], is there anything to go by.
        found: int32 [S, N_QUERIES * N_NEAR], rows that the space's index found, -1 = none.
        heaviest: float32 [features of the table], the greatest of each over the candidates.
    """

    means: NDArray[np.float32]
    singles: NDArray[np.int32]
    asks: NDArray[np.bool_]
    found: NDArray[np.int32]
    heaviest: NDArray[np.float32]


class SpaceRates(NamedTuple):
    """What stays the same while learning.

    Attributes:
        step_decay: how much less each older item of the user's counts in the mean.
    """

    step_decay: float


RATES = SpaceRates(step_decay=0.9)


def empty(bounds: Bounds) -> SpaceState:
    """All slots are free."""
    n, items, width = bounds.spaces, bounds.items, bounds.vector_width
    return SpaceState(
        vectors=np.zeros((n, items, width), np.float32),
        has=np.zeros((items, n), np.bool_),
        gone=np.zeros(items, np.bool_),
        dimensions=np.zeros(n, np.int32),
        counts=np.zeros(n, np.int64),
        changes=np.zeros(n, np.int64),
        names=np.zeros((n, NAME_BYTES), np.uint8),
        frequencies=np.zeros(N_WORDS, np.int32),
        n_texts=np.zeros(1, np.int64),
    )


def scratch(bounds: Bounds) -> SpaceScratch:
    """Working memory of one query."""
    n, width = bounds.spaces, bounds.vector_width
    return SpaceScratch(
        means=np.zeros((n, width), np.float32),
        singles=np.full((n, N_SINGLE), -1, np.int32),
        asks=np.zeros(n, np.bool_),
        found=np.full((n, N_QUERIES * N_NEAR), -1, np.int32),
        heaviest=np.zeros(N_FEATURES, np.float32),
    )


@kernel_inner_sums
def _dot(a, b):
    total = np.float32(0.0)
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total


@kernel_inner
def _read_one(own, s, past_codes, step_decay, generation, mean, singles):
    """The mean and the last items of the user's in one space; False = none of the user's items is in it."""
    mean[:] = np.float32(0.0)
    singles[:] = -1
    weight, n = np.float32(1.0), 0
    for i in range(past_codes.shape[0]):
        row = past_codes[i] & ROW_MASK
        if not is_current(past_codes[i], generation) or not own.has[row, s]:
            continue
        for j in range(mean.shape[0]):
            mean[j] += weight * own.vectors[s, row, j]
        if n < N_SINGLE:
            singles[n] = row
        weight *= np.float32(step_decay)
        n += 1
        if n == N_PROFILE:
            break
    length = np.sqrt(_dot(mean, mean))
    if length < np.float32(1e-6):
        return False
    for j in range(mean.shape[0]):
        mean[j] /= length
    return True


@kernel_inner
def read_spaces(state, query, rates):
    """Fill the query's working memory from the context."""
    own = query.spaces
    for s in range(own.asks.shape[0]):
        own.asks[s] = state.spaces.counts[s] > 0 and _read_one(
            state.spaces,
            s,
            query.past_codes[: query.n_past[0]],
            rates.spaces.step_decay,
            state.generation,
            own.means[s],
            own.singles[s],
        )


@kernel_inner
def _first_column(query):
    return query.features.shape[0] - PER_SPACE * query.spaces.asks.shape[0]


@kernel_inner
def _best_single(own, singles, s, row):
    """The user's item that is nearest to a row, and the cosine."""
    at, best = 0, np.float32(-2.0)
    for i in range(singles.shape[0]):
        if singles[i] >= 0:
            cosine = _dot(own.vectors[s, singles[i]], own.vectors[s, row])
            if cosine > best:
                at, best = i, cosine
    return singles[at], best


@kernel_inner
def coldness(popularity, row, now):
    """1 = nothing is known of what people do with an item, falling to 0 with its events of the last months."""
    last = popularity.rates.shape[0] - 1
    n = popularity.scores[last, row] / growth(popularity.rates[last], popularity.landmarks[last], now)
    return np.float32(COLD_EVENTS / (COLD_EVENTS + n))


@kernel_inner
def propose(state, query, rates):
    """What the indexes found; the nearest of the user's last items is the reason."""
    if query.n_columns[0] > _first_column(query):
        _propose(state, query, rates)


@kernel_inner
def _propose(state, query, rates):
    own = state.spaces
    read_spaces(state, query, rates)
    for s in range(own.dimensions.shape[0]):
        if not query.spaces.asks[s]:
            continue
        for i in range(query.spaces.found.shape[1]):
            row = query.spaces.found[s, i]
            if row < 0 or not own.has[row, s]:
                continue
            if i % N_NEAR >= N_KNOWN and coldness(state.popularity, row, state.clock[0]) < LEAST_COLD:
                continue
            because, _ = _best_single(own, query.spaces.singles[s], s, row)
            from_item = code_of(because, state.generation) if because != row else np.int32(NO_CODE)
            c = candidate(state, query, code_of(row, state.generation), from_item, 1)
            if c >= 0 and query.because[c] == NO_CODE:
                query.because[c] = from_item  # what is popular, too, may be there for a better reason


@kernel_inner
def _standardise(own, column, query, s):
    """Mean 0 and deviation 1 over the candidates that have a vector; the others stay at 0."""
    total, squares, n = np.float32(0.0), np.float32(0.0), 0
    for c in range(query.n_candidates[0]):
        if own.has[query.codes[c] & ROW_MASK, s]:
            total += column[c]
            squares += column[c] * column[c]
            n += 1
    if n == 0:
        return
    mean = total / np.float32(n)
    scale = np.float32(1.0) / np.sqrt(max(squares / np.float32(n) - mean * mean, np.float32(1e-6)))
    for c in range(query.n_candidates[0]):
        if own.has[query.codes[c] & ROW_MASK, s]:
            column[c] = (column[c] - mean) * scale


@kernel_inner
def describe(state, query, rates):
    """Three features of every candidate in every space; and what is counted of those that came lately."""
    if query.n_columns[0] > _first_column(query):
        exposure.correct(state, query, rates)
        _describe(state.spaces, state.popularity, query, state.clock[0])


@kernel_inner
def _describe(own, popularity, query, now):
    first = _first_column(query)
    for column in range(first, query.n_columns[0], PER_SPACE):
        s = (column - first) // PER_SPACE
        if not query.spaces.asks[s]:
            continue
        near, best, cold = query.features[column], query.features[column + 1], query.features[column + 2]
        for c in range(query.n_candidates[0]):
            row = query.codes[c] & ROW_MASK
            if own.has[row, s]:
                near[c] = _dot(query.spaces.means[s], own.vectors[s, row])
                best[c] = _best_single(own, query.spaces.singles[s], s, row)[1]
        _standardise(own, near, query, s)
        _standardise(own, best, query, s)
        for c in range(query.n_candidates[0]):
            row = query.codes[c] & ROW_MASK
            if own.has[row, s] and near[c] > np.float32(0.0):
                cold[c] = near[c] * coldness(popularity, row, now)


@kernel_inner
def evict_item(state, row):
    """Another item gets the row."""
    own = state.spaces
    for s in range(own.dimensions.shape[0]):
        if own.has[row, s]:
            own.has[row, s] = False
            own.vectors[s, row, :] = np.float32(0.0)
            own.counts[s] -= 1
            own.gone[row] = True
