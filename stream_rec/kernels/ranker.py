"""A listwise softmax over the candidates of one query: linear, with one small hidden layer beside; learned by Adagrad.

score(f) = linear . f + sum over k of out[k] * max(0, hidden[k] . f + bias[context, k])
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel_inlined, kernel_sums


class RankerState(NamedTuple):
    """State; B = contexts, D = features, U = hidden units. What ends in _squares are Adagrad's sums.

    Attributes:
        linear: float32 [D].
        hidden: float32 [U, D].
        bias: float32 [B, U], what a context adds to each unit.
        out: float32 [U].
        slopes: float32 [B, D], how a feature has moved scores of late, for readers: a mean that forgets.
        linear_squares: float32 [D].
        hidden_squares: float32 [U, D].
        bias_squares: float32 [B, U].
        out_squares: float32 [U].
    """

    linear: NDArray[np.float32]
    hidden: NDArray[np.float32]
    bias: NDArray[np.float32]
    out: NDArray[np.float32]
    slopes: NDArray[np.float32]
    linear_squares: NDArray[np.float32]
    hidden_squares: NDArray[np.float32]
    bias_squares: NDArray[np.float32]
    out_squares: NDArray[np.float32]


SLOPES_RATE = np.float32(0.01)


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
def _activate(unit, scores, out, n):
    """Unit = max(0, unit), and out times that is added to the scores; the share of candidates that it lets through."""
    active = 0
    for i in range(n):
        unit[i] = max(unit[i], np.float32(0.0))
        active += unit[i] > np.float32(0.0)
        scores[i] += out * unit[i]
    return np.float32(active) / np.float32(max(n, 1))


@kernel_inlined
def score(r, context, features, n, units, slopes, scores):
    """Score n candidates.

    Args:
        r: RankerState, read only.
        context: which bias.
        features: float32 [D, C].
        n: candidates, <= C.
        units: float32 [U, C], written: the hidden units' values.
        slopes: float32 [D], written: d score / d feature, the mean over the candidates.
        scores: float32 [C], written.
    """
    for i in range(n):
        scores[i] = np.float32(0.0)
    for j in range(slopes.shape[0]):
        slopes[j] = r.linear[j]
        add_scaled(scores, r.linear[j], features[j], n)
    for k in range(r.out.shape[0]):
        unit = units[k]
        for i in range(n):
            unit[i] = r.bias[context, k]
        for j in range(slopes.shape[0]):
            add_scaled(unit, r.hidden[k, j], features[j], n)
        share = _activate(unit, scores, r.out[k], n)
        for j in range(slopes.shape[0]):
            slopes[j] += share * r.out[k] * r.hidden[k, j]


@kernel_sums
def _shares_less_target(scores, n, target):
    """Scores = softmax(scores) - [is the target]: the loss's slope in each score."""
    top = scores[0]
    for i in range(n):
        top = max(top, scores[i])
    total = np.float32(0.0)
    for i in range(n):
        scores[i] = np.exp(scores[i] - top)
        total += scores[i]
    scale = np.float32(1.0) / total
    for i in range(n):
        scores[i] *= scale
    scores[target] -= np.float32(1.0)


@kernel_sums
def _back(unit, errors, out, n):
    """Unit = the loss's slope in what the unit got as input; its sum."""
    total = np.float32(0.0)
    for i in range(n):
        unit[i] = errors[i] * out if unit[i] > np.float32(0.0) else np.float32(0.0)
        total += unit[i]
    return total


@kernel_inlined
def _step(g, squares, rate):
    """How far to go down, and the new sum of squares."""
    squares += g * g
    return np.float32(rate) * g / np.sqrt(squares + np.float32(1e-6)), squares


@kernel_inlined
def learn(r, context, features, n, units, slopes, scores, target, rate):
    """One Adagrad step on -log softmax(scores)[target].

    Units, slopes and scores are those of `score`; units and scores are overwritten. Adagrad: Duchi, Hazan, Singer,
    JMLR 2011, eq. 1 (diagonal).
    """
    _shares_less_target(scores, n, target)
    for k in range(r.out.shape[0]):
        out = r.out[k]
        step, r.out_squares[k] = _step(_dot(scores, units[k], n), r.out_squares[k], rate)
        r.out[k] -= step
        into = _back(units[k], scores, out, n)
        step, r.bias_squares[context, k] = _step(into, r.bias_squares[context, k], rate)
        r.bias[context, k] -= step
        for j in range(slopes.shape[0]):
            step, r.hidden_squares[k, j] = _step(_dot(units[k], features[j], n), r.hidden_squares[k, j], rate)
            r.hidden[k, j] -= step
    for j in range(slopes.shape[0]):
        step, r.linear_squares[j] = _step(_dot(scores, features[j], n), r.linear_squares[j], rate)
        r.linear[j] -= step
        r.slopes[context, j] += SLOPES_RATE * (slopes[j] - r.slopes[context, j])
