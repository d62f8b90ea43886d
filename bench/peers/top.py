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
    items = np.flatnonzero(scores > -np.inf)
    found = scores[items]
    if len(items) > k:
        good = found >= np.partition(found, -k)[-k]
        items, found = items[good], found[good]
    best = np.argsort(-found, kind="stable")[:k]
    return Ranking(items[best], found[best])
