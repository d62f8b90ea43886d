"""The ranker's scores, loss, gradient and Adagrad step, in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
EPSILON = 1e-6


class Weights(NamedTuple):
    """linear [D], hidden [U, D], bias [U] of one context, out [U]."""

    linear: Matrix
    hidden: Matrix
    bias: Matrix
    out: Matrix


def units(w: Weights, features: Matrix) -> Matrix:
    """[n, U] for features [n, D]."""
    return np.maximum(features @ w.hidden.T + w.bias, 0.0)


def scores(w: Weights, features: Matrix) -> Matrix:
    """[n]."""
    return features @ w.linear + units(w, features) @ w.out


def slopes(w: Weights, features: Matrix) -> Matrix:
    """[D]: the mean over the candidates of d score / d feature."""
    share = (units(w, features) > 0).mean(axis=0)
    return w.linear + (share * w.out) @ w.hidden


def loss(w: Weights, features: Matrix, target: int) -> float:
    """-log softmax(scores)[target]."""
    s = scores(w, features)
    return float(np.log(np.exp(s - s.max()).sum()) + s.max() - s[target])


def gradient(w: Weights, features: Matrix, target: int) -> Weights:
    """Of the loss, by backpropagation."""
    s = scores(w, features)
    errors = np.exp(s - s.max())
    errors /= errors.sum()
    errors[target] -= 1.0
    h = units(w, features)
    into = np.outer(errors, w.out) * (h > 0)
    return Weights(errors @ features, into.T @ features, into.sum(axis=0), errors @ h)


def adagrad(weights: Matrix, squares: Matrix, g: Matrix, rate: float) -> tuple[Matrix, Matrix]:
    """Weights and sums of squares after one step (Duchi et al., 2011, diagonal)."""
    squares = squares + g**2
    return weights - rate * g / np.sqrt(squares + EPSILON), squares
