"""Test, then train: the rank of what really came, by the blend and by every source alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold import reject
from stream_rec.kernels import candidates
from stream_rec.kernels.codes import ROW_MASK, code_of
from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.kernels.slots import n_sources
from stream_rec.sources import popularity, ranker

LEAST_SLOPE = np.float32(0.01)
"""Alone, a source ranks by its features even where the blend gives them none."""


class PrequentialRanks(NamedTuple):
    """Where judged events go, one after the other; `n_judged` int64 [1]. See engine.results.Judged.

    `predicted` is float32 [n], by event of the batch: the rating that was expected before it came, NaN = it is none or
    there was none before; empty if no type of event is a rating.
    """

    at: NDArray[np.int32]
    rank: NDArray[np.int32]
    by_source: NDArray[np.int32]
    popularity: NDArray[np.int32]
    only_index: NDArray[np.bool_]
    n_judged: NDArray[np.int64]
    predicted: NDArray[np.float32]


@kernel_inner
def source_contributions(query, source_of, c, out):
    """What each source says of candidate c, by the ranker's slopes: out float32 [sources]; 0 = nothing."""
    out[:] = np.float32(0.0)
    for j in range(query.n_columns[0]):
        out[source_of[j]] += max(query.slopes[j], LEAST_SLOPE) * query.features[j, c]


@kernel_inner
def compare_sources(query, source_of):
    """What each source says of the mean candidate, which `main_source` is measured against; after `score`."""
    n, typical = query.n_candidates[0], query.typical_contributions
    for source in range(typical.shape[0]):
        typical[source] = np.float32(0.0)
    for j in range(query.n_columns[0]):
        mean = ranker.sum_of(query.features[j], n) / np.float32(max(n, 1))
        typical[source_of[j]] += max(query.slopes[j], LEAST_SLOPE) * mean


@kernel_inner
def main_source(query, source_of, c):
    """The source that lifts candidate c most above the mean candidate, of those that speak for it.

    What it says of all of them is no reason for this one. Shapley values of a linear model, with the candidates as
    background: Lundberg, Lee, "A unified approach to interpreting model predictions", NeurIPS 2017, corollary 1.
    """
    said, typical = query.source_contributions, query.typical_contributions
    source_contributions(query, source_of, c, said)
    best = 0
    for source in range(1, n_sources(query)):
        lifts_more = said[source] - typical[source] > said[best] - typical[best]
        if said[source] > np.float32(0.0) and (lifts_more or said[best] <= np.float32(0.0)):
            best = source
    return best


@kernel
def score(state, query, rates):
    """The ranker's scores of all candidates."""
    ranker.score(
        state.ranker,
        ranker.context_of(query.n_session[0]),
        query.features,
        query.n_candidates[0],
        query.units,
        query.slopes[: query.n_columns[0]],
        query.scores,
    )


@kernel_inner
def compete(state, query, target):
    """Fill query.competes: which candidates can be recommended and are not left out, but for the target itself."""
    for c in range(query.n_candidates[0]):
        row = query.codes[c] & ROW_MASK
        may_be_shown = state.popularity.eligible[row] and not reject.is_blocked(state, query, row)
        query.competes[c] = may_be_shown and not query.left_out[row]
    query.competes[target] = False


@kernel_inner
def rank_of(query, scores, target):
    """1-based rank of a candidate among those that compete; ties count against it."""
    rank = 1
    for c in range(query.n_candidates[0]):
        rank += query.competes[c] & (scores[c] >= scores[target])
    return rank


@kernel_inner
def _rank_by_source(query, source_of, target, ranks):
    """Ranks of the target by each source alone, int32 [sources]; 0 where a source does not know it."""
    n, scores = query.n_candidates[0], query.source_scores
    for source in range(n_sources(query)):
        for c in range(n):
            scores[c] = np.float32(0.0)
        for j in range(query.n_columns[0]):
            if source_of[j] == source:
                ranker.add_scaled(scores, max(query.slopes[j], LEAST_SLOPE), query.features[j], n)
        ranks[source] = rank_of(query, scores, target) if scores[target] > np.float32(0.0) else 0


@kernel
def judge(state, query, rates, i, item, user_hash, learns, ranks):
    """Rank event i's item among everything, write the ranks, and (learns) let the ranker learn from it.

    The query is as `gather` left it for this event. Ranking is over the full catalogue: items that are no candidates
    stand below all candidates; those in query.left_out, and those that the user has blocked, take no part. The
    features know nothing of event i but its time's place in the log.

    Args:
        state: the ranker is trained, the rest read.
        query: candidates and features.
        rates: the ranker's, and source_of.
        i: of the event in its batch.
        item: row of its item, -1 = unknown.
        user_hash: of its user.
        learns: does the ranker learn.
        ranks: PrequentialRanks, one is added.
    """
    score(state, query, rates)
    target = -1
    at = ranks.n_judged[0]
    ranks.n_judged[0] = at + 1
    ranks.at[at] = i
    ranks.popularity[at] = 0
    if item >= 0:
        target = candidates.index_of(query, code_of(item, state.generation))
        ranks.popularity[at] = popularity.rank_of_row(
            state.popularity, popularity.MIDDLE, item, query.left_out
        )
    ranks.rank[at] = 0
    ranks.by_source[at, :] = 0
    ranks.only_index[at] = False
    if target < 0:
        return
    reject.mark_blocked(state, query, user_hash, True)
    compete(state, query, target)
    reject.mark_blocked(state, query, user_hash, False)
    ranks.rank[at] = rank_of(query, query.scores, target)
    ranks.only_index[at] = query.found[target] == 0
    if learns:
        train(state, query, rates, target)
    _rank_by_source(query, rates.source_of, target, ranks.by_source[at])


@kernel_inner
def train(state, query, rates, target):
    """The ranker learns that candidate `target` came; the query's scores and units are overwritten."""
    ranker.learn(
        state.ranker,
        ranker.context_of(query.n_session[0]),
        query.features,
        query.n_candidates[0],
        query.units,
        query.slopes[: query.n_columns[0]],
        query.scores,
        target,
        rates.ranker,
    )
