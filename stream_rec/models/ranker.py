"""The ranker: a listwise softmax over the union of all sources' candidates, learned online.

A linear part, which starts from a prior that suits no data set in particular, and beside it one small hidden layer of
rectified units, which starts without a say. The linear part alone cannot learn that a sign counts only together with
another: an item seen in the session, say, only as long as no neighbour points elsewhere. What the session's length is
(its context) shifts the units. All of it follows the stream by Adagrad, test-then-train, on a sample of the events.

Update: w -= rate * g / sqrt(sum of g^2), g = d(-log p(target)) / dw, p = softmax(scores).
Sources: a network trained on the listwise loss: ListNet, Cao et al., "Learning to rank: from pairwise approach to
listwise approach", ICML 2007; linear and hidden part side by side: Cheng et al., "Wide & deep learning for recommender
systems", DLRS 2016; Adagrad, Duchi, Hazan, Singer, JMLR 12, 2011.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels import candidates
from stream_rec.kernels.ranker import RankerState

LEARNING_RATE = 0.2
N_HIDDEN = 8
HIDDEN_DEVIATION = 0.5
"""Of the units' first weights, which must differ for the units to learn different things."""
SEED = 20_070_620
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
    """The prior; features that it does not name begin at 0, and the hidden units have no say yet."""
    linear = np.zeros(n_features, np.float32)
    for feature, weight in PRIOR.items():
        linear[feature] = weight
    hidden = np.random.default_rng(SEED).normal(0.0, HIDDEN_DEVIATION, (N_HIDDEN, n_features))
    contexts = (candidates.N_CONTEXTS, N_HIDDEN)
    return RankerState(
        linear=linear,
        hidden=hidden.astype(np.float32),
        bias=np.zeros(contexts, np.float32),
        out=np.zeros(N_HIDDEN, np.float32),
        slopes=np.tile(linear, (candidates.N_CONTEXTS, 1)),
        linear_squares=np.ones(n_features, np.float32),
        hidden_squares=np.ones((N_HIDDEN, n_features), np.float32),
        bias_squares=np.ones(contexts, np.float32),
        out_squares=np.ones(N_HIDDEN, np.float32),
    )
