"""Items by how frequent they are: the head, the tail, and what lies between."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stream_rec.offline.evaluate.plan import Plan

TIERS = ("head", "middle", "tail")
"""The most frequent items, which make up a fifth of all events; the rarest, which make up another; those between.

Abdollahpouri, Mansoury, Burke, Mobasher, "The Unfairness of Popularity Bias in Recommendation", RMSE at RecSys 2019.
"""
RAREST = len(TIERS) - 1
_CUTS = (0.2, 0.8)


def tiers_of(plan: Plan) -> NDArray[np.int8]:
    """Int8 [items], places in TIERS."""
    counts = np.bincount(plan.items, minlength=len(plan.names))
    order = np.argsort(-counts, kind="stable")
    reached = np.cumsum(counts[order]) - counts[order]
    tiers = np.empty(len(counts), np.int8)
    tiers[order] = np.digitize(reached / max(1, counts.sum()), _CUTS)
    return tiers


class PastTiers:
    """Of which tiers users' earlier events are.

    Args:
        plan: the events.
        tiers: of its items.
    """

    def __init__(self, plan: Plan, tiers: NDArray[np.int8]) -> None:
        of_rows = pl.Series("tier", tiers[plan.items])
        counted = [
            ((pl.col("tier") == tier).cum_sum().over("user_id")).alias(name)
            for tier, name in enumerate(TIERS)
        ]
        self._upto = plan.log.select("user_id").with_columns(of_rows).select(counted).to_numpy()
        self._tiers = of_rows.to_numpy()

    def before(self, row: int) -> NDArray[np.int64]:
        """Int64 [3], the user's events before this one, by tier."""
        counts: NDArray[np.int64] = self._upto[row].astype(np.int64)
        counts[self._tiers[row]] -= 1
        return counts
