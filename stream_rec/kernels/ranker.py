"""A listwise softmax over one query's candidates: linear, a small hidden layer beside; learned by Adagrad that forgets.

score(f) = linear . f + sum over k of out[k] * max(0, hidden[k] . f + bias[context, k])
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel, kernel_inlined, kernel_sums

N_SEEN, MEAN, VARIANCE, EXCESS = range(4)


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
        loss: float64 [4]: examples since the last alarm, mean and variance of their losses, the CUSUM.
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
    loss: NDArray[np.float64]


class RankerRates(NamedTuple):
    """What stays the same while learning; see models.ranker for the values.

    Attributes:
        learning_rate: Adagrad's.
        window: examples over which the sums of squares fade by e.
        loss_window: examples over which the mean and the variance of the loss are taken.
        calm: examples after an alarm, or after the start, before there can be one.
        allowance: deviations by which a loss may lie above the mean before it counts.
        threshold: deviations that have to come together for an alarm.
        most: no loss counts for more deviations than this.
    """

    learning_rate: float
    window: float
    loss_window: float
    calm: float
    allowance: float
    threshold: float
    most: float


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


@kernel
def is_alarming(loss, rates, value):
    """One-sided CUSUM of standardised losses, loss float64 [4] changed in place: has the loss risen for good?

    excess = max(0, excess + z - allowance); an alarm when it passes the threshold, after which all begins anew.
    Page, "Continuous inspection schemes", Biometrika 41, 1954, section 3.
    """
    if loss[N_SEEN] >= rates.calm:
        z = (value - loss[MEAN]) / np.sqrt(loss[VARIANCE] + 1e-6)
        loss[EXCESS] = max(0.0, loss[EXCESS] + min(z, rates.most) - rates.allowance)
        if loss[EXCESS] > rates.threshold:
            loss[:] = 0.0
            return True
    loss[N_SEEN] += 1.0
    share = 1.0 / min(loss[N_SEEN], rates.loss_window)
    off = value - loss[MEAN]
    loss[MEAN] += share * off
    loss[VARIANCE] = (1.0 - share) * (loss[VARIANCE] + share * off * off)
    return False


@kernel
def _begin_anew(r):
    """Steps as large as those of a ranker that has seen nothing; the weights stay."""
    one = np.float32(1.0)
    for j in range(r.linear_squares.shape[0]):
        r.linear_squares[j] = min(r.linear_squares[j], one)
    for k in range(r.out_squares.shape[0]):
        r.out_squares[k] = min(r.out_squares[k], one)
        for j in range(r.hidden_squares.shape[1]):
            r.hidden_squares[k, j] = min(r.hidden_squares[k, j], one)
        for b in range(r.bias_squares.shape[0]):
            r.bias_squares[b, k] = min(r.bias_squares[b, k], one)


@kernel_inlined
def _step(g, squares, rates):
    """How far to go down, and the new sum of squares, of which the old ones have faded."""
    squares = np.float32(1.0 - 1.0 / rates.window) * squares + g * g
    return np.float32(rates.learning_rate) * g / np.sqrt(squares + np.float32(1e-6)), squares


@kernel_inlined
def learn(r, context, features, n, units, slopes, scores, target, rates):
    """One Adagrad step on -log softmax(scores)[target].

    Units, slopes and scores are those of `score`; units and scores are overwritten. Adagrad: Duchi, Hazan, Singer,
    JMLR 2011, eq. 1 (diagonal), but its sums fade with every step, and all of them begin anew when the loss has risen
    for good.
    """
    _shares_less_target(scores, n, target)
    if is_alarming(r.loss, rates, -np.log(max(np.float64(scores[target]) + 1.0, 1e-30))):
        _begin_anew(r)
    for k in range(r.out.shape[0]):
        out = r.out[k]
        step, r.out_squares[k] = _step(_dot(scores, units[k], n), r.out_squares[k], rates)
        r.out[k] -= step
        into = _back(units[k], scores, out, n)
        step, r.bias_squares[context, k] = _step(into, r.bias_squares[context, k], rates)
        r.bias[context, k] -= step
        for j in range(slopes.shape[0]):
            step, r.hidden_squares[k, j] = _step(
                _dot(units[k], features[j], n), r.hidden_squares[k, j], rates
            )
            r.hidden[k, j] -= step
    for j in range(slopes.shape[0]):
        step, r.linear_squares[j] = _step(_dot(scores, features[j], n), r.linear_squares[j], rates)
        r.linear[j] -= step
        r.slopes[context, j] += SLOPES_RATE * (slopes[j] - r.slopes[context, j])
