"""Factorization: user and item factors, one step of sampled softmax per event.

The query of a user is the user's own factors plus the recency-weighted mean of the *input* factors of the session's
last items, so that strangers are folded in from their first click; an item's score is the inner product with its item
factors, which live in the vector index.

Update: softmax cross-entropy of the item against `n_negatives` items drawn from the most recent events, row-wise
Adagrad. Tags are hashed to running means of the factors of the items that bear them: that is where an item without
events starts.
Sources: asymmetric factors, Koren, KDD 2008, eq. 12; sampled softmax, Jean et al., ACL 2015; Adagrad, Duchi, Hazan,
Singer, JMLR 12, 2011; feature hashing, Weinberger et al., ICML 2009.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.factors import FactorRates, FactorState

N_RECENT = 16_384
N_TAGS, TAGS_PER_ITEM = 4096, 8
RATES = FactorRates(
    learning_rate=0.1,
    regularisation=0.001,
    n_negatives=8,
    step_decay=0.6,
    session_items=5,
    initial_scale=0.1,
    tag_rate=0.05,
)


def empty(n_users: int, n_items: int, n_factors: int) -> FactorState:
    """Users at zero; items get their factors when they enter."""
    return FactorState(
        users=np.zeros((n_users, n_factors), np.float32),
        user_squares=np.zeros(n_users, np.float32),
        inputs=np.zeros((n_items, n_factors), np.float32),
        input_squares=np.zeros(n_items, np.float32),
        items=np.zeros((n_items, n_factors), np.float32),
        item_squares=np.zeros(n_items, np.float32),
        recent=np.zeros(N_RECENT, np.int32),
        n_recent=np.zeros(1, np.int64),
        dirty=np.zeros(n_items, np.bool_),
        tag_items=np.zeros((N_TAGS, n_factors), np.float32),
        tag_inputs=np.zeros((N_TAGS, n_factors), np.float32),
        tags=np.zeros((n_items, TAGS_PER_ITEM), np.int32),
    )
