"""Figures that need only the ranks of what came next: HR, MRR, nDCG, recall, precision and MAP at k.

One item is relevant to a query: the one that came next. So recall is the hit-rate, precision is the hit-rate / k, and
average precision is the reciprocal rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_rec.feedback.prequential import add_ranks
from stream_rec.telemetry.series import RANK_METRICS

CUT_OFFS = (5, 10, 20)


def means(ranks: NDArray[np.int32], k: int) -> NDArray[np.float64]:
    """Hit-rate, MRR and nDCG at k.

    Args:
        ranks: [m, j], m > 0 queries by j judges; from 1, 0 = miss.
        k: a rank beyond it is a miss.

    Returns:
        [j, 3].
    """
    sums = np.zeros((len(RANK_METRICS) * ranks.shape[1], 2))
    add_ranks(sums, 0, ranks, k=k)
    figures: NDArray[np.float64] = (sums[:, 0] / sums[:, 1]).reshape(ranks.shape[1], len(RANK_METRICS))
    return figures


def figures(ranks: NDArray[np.int32], cut_offs: Sequence[int]) -> dict[str, float]:
    """All figures of one ranking at every cut-off, as fractions: `hr@20`, `mrr@20`, `ndcg@20`, ...

    Args:
        ranks: [m], m > 0; from 1, 0 = miss.
        cut_offs: ks.
    """
    out: dict[str, float] = {}
    for k in cut_offs:
        hr, mrr, ndcg = means(ranks[:, None], k)[0].tolist()
        out |= {f"hr@{k}": hr, f"mrr@{k}": mrr, f"ndcg@{k}": ndcg}
        out |= {f"recall@{k}": hr, f"precision@{k}": hr / k, f"map@{k}": mrr}
    return out
