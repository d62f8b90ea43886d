"""A linear softmax over the candidates of one query, learned online by Adagrad."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel_sums


class RankerState(NamedTuple):
    """State; B = contexts, D = features. The weights of a query are shared + own of its context.

    Attributes:
        shared: float32 [D].
        own: float32 [B, D].
        shared_squares: float32 [D], Adagrad sums.
        own_squares: float32 [B, D].
    """

    shared: NDArray[np.float32]
    own: NDArray[np.float32]
    shared_squares: NDArray[np.float32]
    own_squares: NDArray[np.float32]


@kernel_sums
def add_scaled(out, scale, column, n):
    """out[:n] += scale * column[:n]."""
    for i in range(n):
        out[i] += scale * column[i]


@kernel_sums
def _dot(a, b, n):
    total = np.float32(0.0)
    for i in range(n):
        total += a[i] * b[i]
    return total


@kernel_sums
def score(r, context, features, n, weights, scores):
    """scores[i] = weights . features[:, i] for the n candidates; fills weights float32 [D] for the context."""
    for i in range(n):
        scores[i] = np.float32(0.0)
    for j in range(weights.shape[0]):
        weight = r.shared[j] + r.own[context, j]
        weights[j] = weight
        add_scaled(scores, weight, features[j], n)


@kernel_sums
def learn(r, context, features, n, scores, target, rate):
    """One Adagrad step on -log softmax(scores)[target]; scores are those of `score`, and are overwritten.

    Adagrad: Duchi, Hazan, Singer, JMLR 2011, eq. 1 (diagonal).
    """
    top = scores[0]
    for i in range(n):
        top = max(top, scores[i])
    total = np.float32(0.0)
    for i in range(n):
        scores[i] = np.exp(scores[i] - top)
        total += scores[i]
    for j in range(r.shared.shape[0]):
        g = _dot(scores, features[j], n) / total - features[j, target]
        r.shared_squares[j] += g * g
        r.own_squares[context, j] += g * g
        r.shared[j] -= np.float32(rate) * g / np.sqrt(r.shared_squares[j] + np.float32(1e-6))
        r.own[context, j] -= np.float32(rate) * g / np.sqrt(r.own_squares[context, j] + np.float32(1e-6))
