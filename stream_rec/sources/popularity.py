"""Popularity: decayed counts of events per item, at three half-lives.

*Trending* (an hour), *popular* (a day) and *all the time* (30 days). Candidates are the heaviest of each; every
candidate, whoever found it, gets log(count / heaviest candidate's count) as a feature: the ranker's weight is an
exponent of popularity.

Update: score += weight * exp(rate * (ts - landmark)), forward decay: Cormode, Shkapenyuk, Srivastava, Xu,
"Forward Decay: A Practical Time Decay Model for Streaming Systems", ICDE 2009, section 3.
"""

from __future__ import annotations

import math

import numpy as np

from stream_rec.kernels.popularity import PopularityState

HALF_LIVES = (3600.0, 86_400.0, 30 * 86_400.0)
"""Seconds."""
N_TOP = 40


def n_top(longest_slate: int) -> int:
    """How many items the lists of the heaviest hold: twice the longest slate, so that filters leave enough."""
    return max(N_TOP, 2 * longest_slate)


def empty(n_items: int, longest_slate: int) -> PopularityState:
    """No events yet."""
    n = len(HALF_LIVES)
    return PopularityState(
        scores=np.zeros((n, n_items), np.float64),
        logs=np.full((n_items, n), -np.inf, np.float32),
        rates=np.array([math.log(2) / h for h in HALF_LIVES]),
        landmarks=np.zeros(n, np.float64),
        top=np.full((n, n_top(longest_slate)), -1, np.int32),
        listed=np.zeros((n, n_items), np.bool_),
        floor=np.zeros(n, np.float64),
        eligible=np.ones(n_items, np.bool_),
    )
