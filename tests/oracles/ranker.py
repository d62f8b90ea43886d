"""A linear softmax and one Adagrad step, in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
EPSILON = 1e-6


def gradient(weights: Matrix, features: Matrix, target: int) -> Matrix:
    """Of -log softmax(features @ weights)[target]."""
    scores = features @ weights
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    return shares @ features - features[target]


def loss(weights: Matrix, features: Matrix, target: int) -> float:
    """-log softmax(features @ weights)[target]."""
    scores = features @ weights
    return float(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[target])


def adagrad(weights: Matrix, squares: Matrix, g: Matrix, rate: float) -> tuple[Matrix, Matrix]:
    """Weights and sums of squares after one step (Duchi et al., 2011, diagonal)."""
    squares = squares + g**2
    return weights - rate * g / np.sqrt(squares + EPSILON), squares
