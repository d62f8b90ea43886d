"""The ranker: a linear softmax over the union of all sources' candidates, learned online.

Weights are shared + own of the query's context (length of the session). They start from a prior that suits no data set
in particular and follow the stream by Adagrad, test-then-train, on a sample of the events themselves.

Update: w -= rate * g / sqrt(sum of g^2), g = E_p[features] - features(target), p = softmax(w . features).
Sources: listwise softmax, Cao et al., "Learning to rank: from pairwise approach to listwise approach", ICML 2007;
Adagrad, Duchi, Hazan, Singer, JMLR 12, 2011.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels import candidates
from stream_rec.kernels.ranker import RankerState

LEARNING_RATE = 0.1
PRIOR = {
    candidates.AFTER: 3.0,
    candidates.BEFORE: 0.5,
    candidates.NEXT: 2.0,
    candidates.NEXT_OLDER: 1.0,
    candidates.LATER: 1.0,
    candidates.BACK: 0.5,
    candidates.COSINE: 2.0,
    candidates.VECTOR: 0.3,
    candidates.POPULAR_SHORT: 0.5,
    candidates.POPULAR_MIDDLE: 0.5,
    candidates.POPULAR_LONG: 0.5,
}


def empty(n_features: int) -> RankerState:
    """The prior; features that it does not name begin at 0."""
    shared = np.zeros(n_features, np.float32)
    for feature, weight in PRIOR.items():
        shared[feature] = weight
    shape = (candidates.N_CONTEXTS, n_features)
    return RankerState(
        shared=shared,
        own=np.zeros(shape, np.float32),
        shared_squares=np.ones(n_features, np.float32),
        own_squares=np.ones(shape, np.float32),
    )
