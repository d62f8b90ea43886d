"""One step of the factorization equals the same step in float64; tags carry what their items have learned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.reference import refer
from stream_rec.sources import factorization
from stream_rec.sources.factorization import FactorRates, FactorState
from tests.contract.sources import SourceContract
from tests.oracles import candidates
from tests.oracles import factorization as oracle
from tests.oracles.ids import uniform
from tests.sources.making import batch, clicks, code

N_USERS, N_ITEMS, F = 5, 9, 6
RATES: FactorRates = refer(factorization.RATES)
USERS, TABLES = ("users", "user_squares"), ("inputs", "input_squares", "items", "item_squares")


def empty(users: int = 1, n_recent: int | None = None) -> FactorState:
    """As kernels get it from an engine: by reference."""
    made = factorization.empty(Bounds(users=users, items=N_ITEMS, n_factors=F))
    if n_recent is not None:
        made = made._replace(recent=np.zeros(n_recent, np.int32))
    held: FactorState = refer(made)
    return held


def random_state(rng: np.random.Generator) -> FactorState:
    f = empty(N_USERS)
    for name in (*USERS, *TABLES):
        array = getattr(f, name)
        array[:] = rng.normal(0, 0.5, array.shape)
        if "squares" in name:
            array[:] = np.abs(array)
    return f


def slow_copy(f: FactorState) -> oracle.Factors:
    return oracle.Factors(**{name: getattr(f, name).astype(np.float64) for name in (*USERS, *TABLES)})


def a_session(rng: np.random.Generator) -> list[tuple[int, int]]:
    """Distinct rows, newest first, with how many events ago each was."""
    rows = rng.permutation(N_ITEMS)[: rng.integers(8)].tolist()
    steps = np.sort(rng.choice(20, len(rows), replace=False)).tolist()
    return list(zip(rows, steps, strict=True))


def columns(session: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray, int]:
    codes, steps = np.zeros(16, np.int32), np.zeros(16, np.int32)
    for k, (row, ago) in enumerate(session):
        codes[k], steps[k] = code(row), ago
    return codes, steps, len(session)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(-1, N_USERS - 1), st.sets(st.integers(0, N_ITEMS - 1)))
def test_a_query_is_the_user_and_the_session(seed: int, user: int, stale: set[int]) -> None:
    rng = np.random.default_rng(seed)
    f, session = random_state(rng), a_session(rng)
    generation = np.array([2 if row in stale else 1 for row in range(N_ITEMS)], np.uint8)
    v, weights = np.zeros(F, np.float32), np.zeros(16, np.float32)
    is_one = factorization.query_vector(f, RATES, user, *columns(session), generation, v, weights)
    shares = oracle.shares(session, stale, RATES)
    assert_allclose(v, oracle.query(slow_copy(f), user, shares), atol=1e-6)
    assert is_one == (bool(shares) or user >= 0)


def test_who_has_neither_factors_nor_a_session_has_no_query() -> None:
    f = empty(N_USERS)
    v = np.ones(F, np.float32)
    for user in (-1, 0):
        weights, generation = np.zeros(16, np.float32), np.ones(N_ITEMS, np.uint8)
        assert not factorization.query_vector(f, RATES, user, *columns([]), generation, v, weights)
        assert not v.any()


def step(
    f: FactorState, rates: FactorRates, user: int, session: list[tuple[int, int]], row: int, seed: int
) -> None:
    factorization.step(
        f,
        rates,
        user,
        *columns(session),
        row,
        np.uint64(seed),
        np.ones(N_ITEMS, np.uint8),
        np.zeros(F, np.float32),
        refer(factorization.scratch(Bounds(n_factors=F))),
    )


def negatives(f: FactorState, row: int, seed: int) -> list[int]:
    """Drawn from the most recent events; the item itself and what is gone are passed over."""
    held = min(int(f.n_recent[0]), len(f.recent))
    drawn = [int(f.recent[uniform(seed, i) % held]) for i in range(RATES.n_negatives)] if held else []
    return [c & 0xFFFFFF for c in drawn if c >> 24 == 1 and c & 0xFFFFFF != row]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1), st.integers(0, 12))
def test_a_step_equals_the_one_in_float64(seed: int, user: int, row: int, n_recent: int) -> None:
    rng = np.random.default_rng(seed)
    f, session = random_state(rng), a_session(rng)
    for _ in range(n_recent):
        recent = code(int(rng.integers(N_ITEMS)), generation=1 if rng.random() < 0.8 else 2)
        f.recent[f.n_recent[0]] = recent
        f.n_recent[0] += 1
    slow = slow_copy(f)
    picks = [row, *negatives(f, row, seed)]
    oracle.step(slow, RATES, user, oracle.shares(session, set(), RATES), picks)
    step(f, RATES, user, session, row, seed)
    for name in (*USERS, *TABLES):
        assert_allclose(getattr(f, name), getattr(slow, name), rtol=2e-4, atol=1e-5, err_msg=name)
    assert np.flatnonzero(f.dirty).tolist() == [row]


def test_steps_raise_the_item_above_what_others_do() -> None:
    rng = np.random.default_rng(3)
    f = random_state(rng)
    for row in range(N_ITEMS):
        factorization.observe(f, RATES, np.int32(code(row)))
    for seed in range(300):
        step(f, RATES, 2, [], 4, seed)
    assert int(np.argmax(f.items @ f.users[2])) == 4
    assert np.isfinite(f.items).all()


def test_new_factors_are_a_function_of_the_seed_and_small() -> None:
    f, g = empty(), empty()
    for each in (f, g):
        factorization.initialise_item(each, RATES, 3, np.uint64(5))
    assert (f.items == g.items).all()
    assert 0 < np.abs(f.items[3]).max() <= RATES.initial_scale
    assert f.dirty.tolist() == [row == 3 for row in range(N_ITEMS)]
    factorization.initialise_item(g, RATES, 3, np.uint64(6))
    assert (f.items[3] != g.items[3]).any()


def test_the_most_recent_events_are_remembered_in_a_ring() -> None:
    f = empty(n_recent=4)
    for n in range(11):
        factorization.observe(f, RATES, np.int32(code(n % N_ITEMS)))
    assert sorted(f.recent.tolist()) == sorted(code(n % N_ITEMS) for n in (7, 8, 9, 10))


def test_an_item_without_events_stands_where_its_tags_stand() -> None:
    f = empty()
    rng = np.random.default_rng(4)
    f.items[:2] = rng.normal(size=(2, F))
    f.tags[0, 0], f.tags[1, 0] = 7, 9
    for _ in range(200):
        factorization.observe(f, RATES, np.int32(code(0)))
        factorization.observe(f, RATES, np.int32(code(1)))
    f.tags[5, :2] = [7, 9]
    factorization.place_by_tags(f, 5)
    assert_allclose(f.items[5], (f.items[0] + f.items[1]) / 2, atol=1e-3)


def test_a_forgotten_user_has_no_factors() -> None:
    f = random_state(np.random.default_rng(0))
    factorization.clear_user(f, 1)
    assert not f.users[1].any()
    assert f.user_squares[1] == 0
    assert f.users[2].any()


@pytest.mark.parametrize("draw", [0, 1, 17])
def test_random_numbers_are_those_of_plain_python(draw: int) -> None:
    from stream_rec.kernels.ids import uniform as fast

    assert int(fast(np.uint64(0xFFFF_FFFF_0000_1234), draw)) == uniform(0xFFFF_FFFF_0000_1234, draw)


class TestFactorization(SourceContract):
    name = "factorization"

    def assert_equals_twin(self, seed: int) -> None:
        """The index's items are proposed, and every candidate's feature is its standardised product with the query."""
        e = self.alone()
        e.learn(batch(clicks(seed, 300, users=10, items=30)))
        for row in range(int(e.stats()["users"])):
            query = self.asked(e, row)
            n = int(query.n_candidates[0])
            assert sorted(query.codes[:n] & 0xFFFFFF) == sorted(row for row in query.indexed if row >= 0)
            if query.has_vector[0]:
                products = e.state.factors.items[query.codes[:n] & 0xFFFFFF].astype(float) @ query.vector
                got = query.features[factorization.VECTOR, :n]
                assert_allclose(got, candidates.standardised(products), atol=5e-3)
