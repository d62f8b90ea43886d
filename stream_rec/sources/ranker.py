"""The ranker: a listwise softmax over the union of all sources' candidates, learned online.

A linear part, which starts from a prior that suits no data set in particular, and beside it one small hidden layer of
rectified units, which starts without a say. The linear part alone cannot learn that a sign counts only together with
another: an item seen in the session, say, only as long as no neighbour points elsewhere. What the session's length is
(its context) shifts the units. All of it follows the stream by Adagrad, test-then-train, on a sample of the events.

Update: G = (1 - 1 / window) G + g^2, w -= rate * g / sqrt(G), g = d(-log p(target)) / dw, p = softmax(scores).
Plain Adagrad never forgets: the older the stream, the smaller its steps, and a change that a young ranker follows in
an hour takes an old one days. So G fades, for slow drift; and a CUSUM watches the ranker's own loss: when that has
risen for good (a source has turned to noise, tastes have changed), G begins anew and steps are for a while as large as
on the first day. Both go by examples alone, so they are part of the fold.
Sources: a network trained on the listwise loss: ListNet, Cao et al., "Learning to rank: from pairwise approach to
listwise approach", ICML 2007; linear and hidden part side by side: Cheng et al., "Wide & deep learning for recommender
systems", DLRS 2016; Adagrad, Duchi, Hazan, Singer, JMLR 12, 2011; a fading sum of squares as in RMSprop, Tieleman,
Hinton, 2012; CUSUM, Page, "Continuous inspection schemes", Biometrika 41, 1954.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels import candidates
from stream_rec.kernels.ranker import RankerRates, RankerState

RATES = RankerRates(
    learning_rate=0.2,
    window=4000.0,
    loss_window=1000.0,
    calm=100.0,
    allowance=0.25,
    threshold=20.0,
    most=3.0,
)
"""A false alarm costs little: for a while steps are larger than they need be."""
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
        loss=np.zeros(4, np.float64),
    )


def hurry(ranker: RankerState) -> None:
    """Sums shrink to a quarter, so steps double."""
    for squares in (ranker.linear_squares, ranker.hidden_squares, ranker.bias_squares, ranker.out_squares):
        squares *= np.float32(0.25)
