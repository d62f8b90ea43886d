"""The ranker's scores, loss, gradient and Adagrad step, in float64."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.sources.ranker import RankerRates

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


def adagrad(weights: Matrix, squares: Matrix, g: Matrix, rates: RankerRates) -> tuple[Matrix, Matrix]:
    """Weights and fading sums of squares after one step (Duchi et al., 2011, diagonal)."""
    squares = squares * (1 - 1 / rates.window) + g**2
    return weights - rates.learning_rate * g / np.sqrt(squares + EPSILON), squares


def alarms(losses: Matrix, rates: RankerRates) -> list[int]:
    """Where a one-sided CUSUM of the standardised losses passes its threshold; after that it begins anew."""
    found: list[int] = []
    before: list[float] = []
    excess = 0.0
    for n, loss in enumerate(losses.tolist()):
        if len(before) >= rates.calm:
            mean, variance = moments(before, rates.loss_window)
            z = (loss - mean) / math.sqrt(variance + EPSILON)
            excess = max(0.0, excess + min(z, rates.most) - rates.allowance)
            if excess > rates.threshold:
                found.append(n)
                before, excess = [], 0.0
                continue
        before.append(loss)
    return found


def moments(losses: list[float], window: float) -> tuple[float, float]:
    """Mean and variance, older losses fading by 1 - 1 / window an example once there are so many."""
    shares = np.array([1 / min(n, window) for n in range(1, len(losses) + 1)])
    weights = shares * np.append(np.cumprod((1 - shares)[:0:-1])[::-1], 1.0)
    mean = float(weights @ losses)
    return mean, float(weights @ (np.array(losses) - mean) ** 2)
