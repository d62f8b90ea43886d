"""The ranker's scores and steps equal those in float64, and steps go down the loss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from stream_rec.kernels.reference import refer
from stream_rec.sources import ranker
from stream_rec.sources.features import FEATURES, N_FEATURES
from stream_rec.sources.ranker import CONTEXTS, LOSS, SLOPES_RATE, RankerRates, RankerState
from tests.oracles import ranker as oracle

RATES: RankerRates = refer(ranker.RATES)
WIDTH = 50


def empty() -> RankerState:
    """As kernels get it from an engine: by reference."""
    held: RankerState = refer(ranker.empty(N_FEATURES))
    return held


def random_state(rng: np.random.Generator) -> RankerState:
    r = empty()
    for name in RankerState._fields:
        if name != "loss":
            array = getattr(r, name)
            squares = name.endswith("_squares")
            array[:] = rng.uniform(0.1, 5, array.shape) if squares else rng.normal(size=array.shape)
    return r


class Scored:
    """What `score` writes."""

    def __init__(self, r: RankerState, context: int, features: np.ndarray, n: int) -> None:
        self.units = np.zeros((ranker.N_HIDDEN, features.shape[1]), np.float32)
        self.slopes = np.zeros(N_FEATURES, np.float32)
        self.scores = np.zeros(features.shape[1], np.float32)
        ranker.score(r, context, features, n, self.units, self.slopes, self.scores)


def learn(
    r: RankerState, context: int, features: np.ndarray, n: int, target: int, rates: RankerRates = RATES
) -> None:
    out = Scored(r, context, features, n)
    ranker.learn(r, context, features, n, out.units, out.slopes, out.scores, target, rates)


def exact_weights(r: RankerState, context: int, suffix: str = "") -> oracle.Weights:
    linear, hidden, bias, out = (
        getattr(r, part + suffix).astype(np.float64) for part in ("linear", "hidden", "bias", "out")
    )
    return oracle.Weights(linear, hidden, bias[context], out)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, len(CONTEXTS) - 1), st.integers(1, 40))
def test_scores_and_one_step_equal_those_in_float64(seed: int, context: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    r = random_state(rng)
    before = RankerState(*(getattr(r, name).copy() for name in RankerState._fields))
    weights, squares = exact_weights(r, context), exact_weights(r, context, "_squares")
    features = np.zeros((N_FEATURES, WIDTH), np.float32)
    features[:, :n] = rng.uniform(-1, 1, (N_FEATURES, n))
    features[:, n:] = 1e9  # what lies behind the candidates must not be read
    exact = features[:, :n].T.astype(np.float64)
    target = int(rng.integers(n))
    out = Scored(r, context, features, n)
    assert_allclose(out.scores[:n], oracle.scores(weights, exact), atol=1e-3)
    assert_allclose(out.slopes, oracle.slopes(weights, exact), atol=1e-3)

    ranker.learn(r, context, features, n, out.units, out.slopes, out.scores, target, RATES)
    slope = oracle.gradient(weights, exact, target)
    for got, got_squares, w, s, g in zip(
        exact_weights(r, context), exact_weights(r, context, "_squares"), weights, squares, slope, strict=True
    ):
        expected, expected_squares = oracle.adagrad(w, s, g, RATES)
        assert_allclose(got, expected, atol=1e-3)
        assert_allclose(got_squares, expected_squares, rtol=1e-2, atol=1e-3)
    assert_allclose(
        r.slopes[context],
        before.slopes[context] + SLOPES_RATE * (out.slopes - before.slopes[context]),
        atol=1e-5,
    )
    others = [c for c in range(len(CONTEXTS)) if c != context]
    for part in ("bias", "bias_squares", "slopes"):
        assert (getattr(r, part)[others] == getattr(before, part)[others]).all()


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    w = oracle.Weights(rng.normal(size=4), rng.normal(size=(3, 4)), rng.normal(size=3), rng.normal(size=3))
    features = rng.normal(size=(6, 4))
    h = 1e-6
    for part, slope in zip(w._fields, oracle.gradient(w, features, 2), strict=True):
        for at in np.ndindex(slope.shape):
            up, down = ({**w._asdict(), part: getattr(w, part).copy()} for _ in range(2))
            up[part][at] += h
            down[part][at] -= h
            rise = oracle.loss(oracle.Weights(**up), features, 2) - oracle.loss(
                oracle.Weights(**down), features, 2
            )
            assert abs(rise / (2 * h) - slope[at]) < 1e-6


def test_a_feature_that_tells_the_target_gains_weight() -> None:
    rng = np.random.default_rng(1)
    r = empty()
    r.linear[:] = 0
    for _ in range(300):
        features = rng.uniform(0, 1, (N_FEATURES, 20)).astype(np.float32)
        target = int(rng.integers(20))
        features[5, target] = 1.5
        learn(r, 0, features, 20, target)
    assert int(np.argmax(r.linear)) == int(np.argmax(r.slopes[0])) == 5


def test_it_learns_that_a_sign_counts_only_without_another() -> None:
    """What a linear ranker cannot: the target is the candidate that has exactly one of two features."""
    rng = np.random.default_rng(2)
    r = empty()
    r.linear[:] = 0
    firsts = []
    for _ in range(6_000):
        features = np.zeros((N_FEATURES, 4), np.float32)
        features[3], features[9] = rng.permutation(4) // 2, [0, 1, 0, 1]
        if not (odd := np.flatnonzero(features[3] != features[9])).size:
            continue
        firsts.append(int(np.argmax(Scored(r, 1, features, 4).scores)) in odd)
        learn(r, 1, features, 4, int(odd[0]))
    assert np.mean(firsts[-500:]) > 0.95


def test_a_single_candidate_teaches_nothing() -> None:
    r = empty()
    before = empty()
    learn(r, 0, np.ones((N_FEATURES, 1), np.float32), 1, 0)
    for part in ("linear", "hidden", "bias", "out"):
        assert (getattr(r, part) == getattr(before, part)).all()


def test_before_the_first_event_the_prior_alone_ranks() -> None:
    r = empty()
    features = np.random.default_rng(3).uniform(0, 1, (N_FEATURES, 7)).astype(np.float32)
    out = Scored(r, 0, features, 7)
    assert_allclose(out.scores, r.linear @ features, rtol=1e-5)
    assert (out.slopes == r.linear).all()


def example(rng: np.random.Generator, telling: int) -> tuple[np.ndarray, int]:
    """Twenty candidates, of which the target stands out by one feature."""
    features = rng.uniform(0, 1, (N_FEATURES, 20)).astype(np.float32)
    target = int(rng.integers(20))
    features[telling, target] += 0.7
    return features, target


def hits_at_1(
    r: RankerState, rng: np.random.Generator, n: int, telling: int, rates: RankerRates = RATES
) -> float:
    """Share of n examples, each judged and then learned, whose target is ranked first."""
    hits = 0
    for _ in range(n):
        features, target = example(rng, telling)
        hits += int(np.argmax(Scored(r, 0, features, 20).scores)) == target
        learn(r, 0, features, 20, target, rates)
    return hits / n


def test_an_old_ranker_follows_a_change_sooner_than_plain_adagrad() -> None:
    plain = refer(ranker.RATES._replace(window=1e12, threshold=1e12))
    after = []
    for rates in (RATES, plain):
        r = empty()
        hits_at_1(r, np.random.default_rng(1), 15_000, 5, rates)
        after.append(hits_at_1(r, np.random.default_rng(2), 700, 0, rates))
    assert after[0] > after[1] + 0.05


def test_sums_of_squares_are_bounded_however_long_the_stream() -> None:
    r = empty()
    hits_at_1(r, np.random.default_rng(1), 10_000, 5)
    held = r.linear_squares.copy()
    hits_at_1(r, np.random.default_rng(2), 20_000, 5)
    assert (r.linear_squares < 1.3 * held).all()


def alarms(losses: np.ndarray) -> list[int]:
    state = np.zeros(1, LOSS)
    return [n for n, loss in enumerate(losses) if ranker.is_alarming(state, RATES, float(loss))]


def test_the_watch_on_the_loss_equals_the_sums_written_out() -> None:
    rng = np.random.default_rng(5)
    losses = np.concatenate([rng.gamma(4.0, 1.0, 900), rng.gamma(9.0, 1.0, 400), rng.gamma(2.0, 1.0, 300)])
    assert alarms(losses) == oracle.alarms(losses, RATES)
    assert len(alarms(losses)) == 1


def test_a_rise_is_noticed_within_a_hundred_examples_and_a_fall_is_none() -> None:
    rng = np.random.default_rng(6)
    rises = alarms(np.concatenate([rng.normal(4, 1.5, 5000), rng.normal(6, 1.5, 5000)]))
    assert len(rises) == 1
    assert 5000 < rises[0] < 5100
    assert alarms(np.concatenate([rng.normal(6, 1.5, 5000), rng.normal(4, 1.5, 5000)])) == []


def test_a_steady_loss_seldom_alarms() -> None:
    rng = np.random.default_rng(7)
    assert len(alarms(rng.gamma(2.0, 2.0, 50_000))) <= 3


def test_a_single_wild_loss_is_no_alarm() -> None:
    losses = np.tile([3.0, 4.0], 500)
    losses[500] = 1e6
    assert alarms(losses) == []


def test_after_an_alarm_steps_begin_anew_and_weights_stay() -> None:
    rng = np.random.default_rng(8)
    r = random_state(rng)
    for squares in (r.linear_squares, r.hidden_squares, r.bias_squares, r.out_squares):
        squares[:] = 50
    weights = r.linear.copy()
    r.loss[0] = (200.0, 0.1, 0.01, RATES.threshold)
    features, target = example(rng, 3)
    r.linear[:] = weights
    r.out[:] = 0
    features[:, target] = -5.0 * np.sign(weights)
    learn(r, 2, features, 20, target)
    assert r.loss[0]["excess"] == 0
    assert r.loss[0]["n_seen"] == 0
    assert (r.bias_squares[[0, 1, 3, 4]] == 1).all()
    assert np.abs(r.linear - weights).max() <= 1.001 * RATES.learning_rate


@pytest.mark.parametrize(("n", "context"), [(0, 0), (1, 1), (2, 2), (3, 3), (5, 3), (6, 4), (16, 4)])
def test_the_context_is_the_length_of_the_session(n: int, context: int) -> None:
    assert ranker.context_of(n) == context


def test_the_prior_is_that_of_the_table() -> None:
    linear = ranker.empty(N_FEATURES + 1).linear
    assert linear.tolist() == pytest.approx([*(feature.prior for feature in FEATURES), 0.0])
