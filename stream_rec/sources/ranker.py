"""The ranker: a listwise softmax over the union of all sources' candidates, learned online.

score(f) = linear . f + sum over k of out[k] * max(0, hidden[k] . f + bias[context, k])

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

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel, kernel_inner, kernel_inner_sums
from stream_rec.kernels.normalise import greatest
from stream_rec.kernels.records import record
from stream_rec.sources.features import FEATURES

CONTEXTS = ("0", "1", "2", "3-5", "6+")
"""Items in the session."""
N_HIDDEN = 8
HIDDEN_DEVIATION = 0.5
"""Of the units' first weights, which must differ for the units to learn different things."""
SEED = 20_070_620
LOSS = record([(name, np.float64) for name in ("n_seen", "mean", "variance", "excess")])
"""Examples since the last alarm, mean and variance of their losses, the CUSUM."""


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
        loss: LOSS [1].
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
    loss: NDArray[np.void]


class RankerRates(NamedTuple):
    """What stays the same while learning.

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


def empty(n_features: int, last: Sequence[float] = ()) -> RankerState:
    """The prior; features beyond the table begin at 0, and the hidden units have no say yet.

    Args:
        n_features: D.
        last: the prior of the last features, those of vector spaces. What others begin with does not hang on how many
            they are.
    """
    linear = np.zeros(n_features, np.float32)
    linear[: len(FEATURES)] = [feature.prior for feature in FEATURES]
    linear[n_features - len(last) :] = last
    random = np.random.default_rng(SEED)
    widths = (n_features - len(last), len(last))
    hidden = np.hstack([random.normal(0.0, HIDDEN_DEVIATION, (N_HIDDEN, width)) for width in widths])
    by_context = (len(CONTEXTS), N_HIDDEN)
    return RankerState(
        linear=linear,
        hidden=hidden.astype(np.float32),
        bias=np.zeros(by_context, np.float32),
        out=np.zeros(N_HIDDEN, np.float32),
        slopes=np.tile(linear, (len(CONTEXTS), 1)),
        linear_squares=np.ones(n_features, np.float32),
        hidden_squares=np.ones((N_HIDDEN, n_features), np.float32),
        bias_squares=np.ones(by_context, np.float32),
        out_squares=np.ones(N_HIDDEN, np.float32),
        loss=np.zeros(1, LOSS),
    )


def boost_learning_rate(ranker: RankerState) -> None:
    """Sums shrink to a quarter, so steps double."""
    for squares in (ranker.linear_squares, ranker.hidden_squares, ranker.bias_squares, ranker.out_squares):
        squares *= np.float32(0.25)


@kernel
def context_of(n_session):
    """Which of CONTEXTS a session of so many items is."""
    if n_session <= 2:
        return n_session
    return 3 if n_session <= 5 else 4


SLOPES_RATE = np.float32(0.01)


@kernel_inner_sums
def add_scaled(out, scale, column, n):
    """out[:n] += scale * column[:n]."""
    for i in range(n):
        out[i] += scale * column[i]


@kernel_inner_sums
def _add_four(out, scales, columns, j, n):
    """out[:n] += scales[j] * columns[j, :n], and the next three."""
    a, b, c, d = scales[j], scales[j + 1], scales[j + 2], scales[j + 3]
    for i in range(n):
        out[i] += a * columns[j, i] + b * columns[j + 1, i] + c * columns[j + 2, i] + d * columns[j + 3, i]


@kernel_inner
def _add_all(out, scales, columns, n):
    """out[:n] += the sum over j of scales[j] * columns[j, :n]. Four at a time: `out` is the memory that is busiest."""
    j = 0
    while j + 4 <= scales.shape[0]:
        _add_four(out, scales, columns, j, n)
        j += 4
    while j < scales.shape[0]:
        add_scaled(out, scales[j], columns[j], n)
        j += 1


@kernel_inner_sums
def sum_of(column, n):
    """Of column[:n]."""
    total = np.float32(0.0)
    for i in range(n):
        total += column[i]
    return total


@kernel_inner_sums
def _dot(a, b, n):
    total = np.float32(0.0)
    for i in range(n):
        total += a[i] * b[i]
    return total


@kernel_inner_sums
def _activate(unit, scores, out, n):
    """Unit = max(0, unit), and out times that is added to the scores; the share of candidates that it lets through."""
    active = 0
    for i in range(n):
        unit[i] = max(unit[i], np.float32(0.0))
        active += unit[i] > np.float32(0.0)
        scores[i] += out * unit[i]
    return np.float32(active) / np.float32(max(n, 1))


@kernel
def score(own, context, features, n, units, slopes, scores):
    """Score n candidates.

    Args:
        own: RankerState, read only.
        context: which bias.
        features: float32 [D, C].
        n: candidates, <= C.
        units: float32 [U, C], written: the hidden units' values.
        slopes: float32 [D], written: d score / d feature, the mean over the candidates.
        scores: float32 [C], written.
    """
    for i in range(n):
        scores[i] = np.float32(0.0)
    d = slopes.shape[0]
    for j in range(d):
        slopes[j] = own.linear[j]
    _add_all(scores, own.linear[:d], features, n)
    for k in range(own.out.shape[0]):
        unit = units[k]
        for i in range(n):
            unit[i] = own.bias[context, k]
        _add_all(unit, own.hidden[k, :d], features, n)
        share = _activate(unit, scores, own.out[k], n)
        for j in range(d):
            slopes[j] += share * own.out[k] * own.hidden[k, j]


@kernel_inner_sums
def _shares_less_target(scores, n, target):
    """Scores = softmax(scores) - [is the target]: the loss's slope in each score."""
    top = greatest(scores, n)
    total = np.float32(0.0)
    for i in range(n):
        scores[i] = np.exp(scores[i] - top)
        total += scores[i]
    scale = np.float32(1.0) / total
    for i in range(n):
        scores[i] *= scale
    scores[target] -= np.float32(1.0)


@kernel_inner_sums
def _back(unit, errors, out, n):
    """Unit = the loss's slope in what the unit got as input; its sum."""
    total = np.float32(0.0)
    for i in range(n):
        unit[i] = errors[i] * out if unit[i] > np.float32(0.0) else np.float32(0.0)
        total += unit[i]
    return total


@kernel
def is_alarming(losses, rates, value):
    """One-sided CUSUM of standardised losses, LOSS [1] changed in place: has the loss risen for good?

    excess = max(0, excess + z - allowance); an alarm when it passes the threshold, after which all begins anew.
    Page, "Continuous inspection schemes", Biometrika 41, 1954, section 3.
    """
    loss = losses[0]
    if loss.n_seen >= rates.calm:
        z = (value - loss.mean) / np.sqrt(loss.variance + 1e-6)
        loss.excess = max(0.0, loss.excess + min(z, rates.most) - rates.allowance)
        if loss.excess > rates.threshold:
            loss.n_seen = loss.mean = loss.variance = loss.excess = 0.0
            return True
    loss.n_seen += 1.0
    share = 1.0 / min(loss.n_seen, rates.loss_window)
    off = value - loss.mean
    loss.mean += share * off
    loss.variance = (1.0 - share) * (loss.variance + share * off * off)
    return False


@kernel_inner
def _begin_anew(own):
    """Steps as large as those of a ranker that has seen nothing; the weights stay."""
    one = np.float32(1.0)
    for j in range(own.linear_squares.shape[0]):
        own.linear_squares[j] = min(own.linear_squares[j], one)
    for k in range(own.out_squares.shape[0]):
        own.out_squares[k] = min(own.out_squares[k], one)
        for j in range(own.hidden_squares.shape[1]):
            own.hidden_squares[k, j] = min(own.hidden_squares[k, j], one)
        for b in range(own.bias_squares.shape[0]):
            own.bias_squares[b, k] = min(own.bias_squares[b, k], one)


@kernel_inner
def _step(g, squares, rates):
    """How far to go down, and the new sum of squares, of which the old ones have faded."""
    squares = np.float32(1.0 - 1.0 / rates.window) * squares + g * g
    return np.float32(rates.learning_rate) * g / np.sqrt(squares + np.float32(1e-6)), squares


@kernel
def learn(own, context, features, n, units, slopes, scores, target, rates):
    """One Adagrad step on -log softmax(scores)[target].

    Units, slopes and scores are those of `score`; units and scores are overwritten. Adagrad: Duchi, Hazan, Singer,
    JMLR 2011, eq. 1 (diagonal), but its sums fade with every step, and all of them begin anew when the loss has risen
    for good.
    """
    _shares_less_target(scores, n, target)
    if is_alarming(own.loss, rates, -np.log(max(np.float64(scores[target]) + 1.0, 1e-30))):
        _begin_anew(own)
    for k in range(own.out.shape[0]):
        out = own.out[k]
        step, own.out_squares[k] = _step(_dot(scores, units[k], n), own.out_squares[k], rates)
        own.out[k] -= step
        into = _back(units[k], scores, out, n)
        step, own.bias_squares[context, k] = _step(into, own.bias_squares[context, k], rates)
        own.bias[context, k] -= step
        for j in range(slopes.shape[0]):
            step, own.hidden_squares[k, j] = _step(
                _dot(units[k], features[j], n), own.hidden_squares[k, j], rates
            )
            own.hidden[k, j] -= step
    for j in range(slopes.shape[0]):
        step, own.linear_squares[j] = _step(_dot(scores, features[j], n), own.linear_squares[j], rates)
        own.linear[j] -= step
        own.slopes[context, j] += SLOPES_RATE * (slopes[j] - own.slopes[context, j])
