"""The ranker's scores and steps equal those in float64, and steps go down the loss."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from stream_rec.kernels import ranker as kernels
from stream_rec.kernels.candidates import N_CONTEXTS, N_FEATURES
from stream_rec.kernels.ranker import RankerState
from stream_rec.models import ranker
from tests.oracles import ranker as oracle

RATE = ranker.LEARNING_RATE


def random_state(rng: np.random.Generator) -> RankerState:
    r = ranker.empty(N_FEATURES)
    r.shared[:] = rng.normal(size=N_FEATURES)
    r.own[:] = rng.normal(size=(N_CONTEXTS, N_FEATURES))
    r.shared_squares[:] = rng.uniform(0.1, 5, N_FEATURES)
    r.own_squares[:] = rng.uniform(0.1, 5, (N_CONTEXTS, N_FEATURES))
    return r


def score(r: RankerState, context: int, features: np.ndarray, n: int) -> np.ndarray:
    weights, scores = np.zeros(N_FEATURES, np.float32), np.zeros(features.shape[1], np.float32)
    kernels.score(r, context, features, n, weights, scores)
    assert_allclose(weights, r.shared + r.own[context])
    return scores


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, N_CONTEXTS - 1), st.integers(1, 40))
def test_scores_and_one_step_equal_those_in_float64(seed: int, context: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    r = random_state(rng)
    before = RankerState(*(a.astype(np.float64) for a in r))
    features = np.zeros((N_FEATURES, 50), np.float32)
    features[:, :n] = rng.uniform(-1, 1, (N_FEATURES, n))
    features[:, n:] = 1e9  # what lies behind the candidates must not be read
    target = int(rng.integers(n))
    scores = score(r, context, features, n)
    weights = before.shared + before.own[context]
    exact = features[:, :n].T.astype(np.float64)
    assert_allclose(scores[:n], exact @ weights, atol=1e-4)

    kernels.learn(r, context, features, n, scores, target, RATE)
    g = oracle.gradient(weights, exact, target)
    shared, shared_squares = oracle.adagrad(before.shared, before.shared_squares, g, RATE)
    own, own_squares = oracle.adagrad(before.own[context], before.own_squares[context], g, RATE)
    assert_allclose(r.shared, shared, atol=1e-4)
    assert_allclose(r.own[context], own, atol=1e-4)
    assert_allclose(r.shared_squares, shared_squares, rtol=1e-4)
    assert_allclose(r.own_squares[context], own_squares, rtol=1e-4)
    others = [c for c in range(N_CONTEXTS) if c != context]
    assert_allclose(r.own[others], before.own[others], rtol=1e-6)


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    weights, features = rng.normal(size=4), rng.normal(size=(6, 4))
    h = 1e-6
    for j in range(4):
        up, down = weights.copy(), weights.copy()
        up[j] += h
        down[j] -= h
        slope = (oracle.loss(up, features, 2) - oracle.loss(down, features, 2)) / (2 * h)
        assert abs(slope - oracle.gradient(weights, features, 2)[j]) < 1e-6


def test_a_feature_that_tells_the_target_gains_weight() -> None:
    rng = np.random.default_rng(1)
    r = ranker.empty(N_FEATURES)
    r.shared[:] = 0
    for _ in range(300):
        features = rng.uniform(0, 1, (N_FEATURES, 20)).astype(np.float32)
        target = int(rng.integers(20))
        features[5, target] = 1.5
        kernels.learn(r, 0, features, 20, score(r, 0, features, 20), target, RATE)
    assert int(np.argmax(r.shared + r.own[0])) == 5


def test_a_single_candidate_teaches_nothing() -> None:
    r = ranker.empty(N_FEATURES)
    before = r.shared.copy()
    features = np.ones((N_FEATURES, 1), np.float32)
    kernels.learn(r, 0, features, 1, score(r, 0, features, 1), 0, RATE)
    assert (r.shared == before).all()
