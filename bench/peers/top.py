"""The best of many scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.peers.protocol import Ranking


def top(scores: NDArray[Any], left_out: NDArray[np.int32], k: int) -> Ranking:
    """The k best, of equal ones the lower numbers first.

    Args:
        scores: [items], -inf = never listed; is changed.
        left_out: items that are not listed; those beyond the scores are not there anyhow.
        k: fewer where there are fewer.
    """
    scores[left_out[left_out < len(scores)]] = -np.inf
    worst = np.partition(scores, -k)[-k] if len(scores) > k else -np.inf
    items = np.flatnonzero(scores >= worst)
    items = items[np.argsort(-scores[items], kind="stable")][:k]
    items = items[scores[items] > -np.inf]
    return Ranking(items, scores[items])
