"""The candidates of a query: every source's, each once, with features normalised as a slow twin does it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from stream_rec.engine.engine import Engine
from stream_rec.engine.state import create
from stream_rec.kernels import candidates, learn
from stream_rec.kernels.candidates import (
    BACK,
    COUNT,
    IN_PAST,
    IN_SESSION,
    IS_LAST,
    LATER,
    N_CANDIDATES,
    N_LISTED,
    NEXT,
    NEXT_OLDER,
    POPULAR_SHORT,
    VECTOR,
    YOUTH,
)
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, is_current
from stream_rec.kernels.state import Rates, Scratch
from tests.oracles import candidates as oracle
from tests.oracles.histories import SlowHistories
from tests.sources.making import batch, clicks, engine


def learned(seed: int, n: int = 200) -> Engine:
    e = engine()
    e.learn(batch(clicks(seed, n, users=20, items=30, pause=8000.0)))
    return e


def asked(e: Engine, user: int, vector_rows: list[int]) -> tuple[Scratch, Rates, bool]:
    """Everything up to, but without, the last step of `gather`."""
    x, rates = create.scratch(e.settings), create.rates(e.settings)
    has_vector = bool(learn.read_query(e.state, x, rates, user, False))
    rows = np.array(vector_rows, np.int32)
    candidates.from_session(e.state, x)
    candidates.from_transitions(e.state, x)
    candidates.from_neighbours(e.state, x, rates, user)
    candidates.from_item_neighbours(e.state, x, rates)
    candidates.from_vectors(e.state, x, rows, len(rows))
    candidates.from_popularity(e.state, x)
    return x, rates, has_vector


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(-1, 19))
def test_features_are_normalised_as_a_slow_twin_does_it(seed: int, user: int) -> None:
    e = learned(seed)
    x, rates, has_vector = asked(e, min(user, int(e.stats()["users"]) - 1), [])
    n = int(x.query[N_CANDIDATES])
    raw = x.features[:, :n].T.astype(np.float64)
    rows = x.codes[:n] & ROW_MASK
    candidates.finish_features(e.state, x, rates, has_vector)
    got = x.features[:, :n].T
    for j in range(N_LISTED):
        assert_allclose(got[:, j], oracle.shares_of_heaviest(raw[:, j]), rtol=1e-5)
    p, now = e.state.popularity, e.event_time
    for h in range(3):
        with np.errstate(divide="ignore"):
            logs = np.log(p.scores[h, rows])
        expected = oracle.popularity(logs, candidates.LOG_SPAN)
        assert_allclose(got[:, POPULAR_SHORT + h], expected, atol=1e-5)
    ages = now - e.state.first_seen[rows]
    assert_allclose(got[:, YOUTH], oracle.youth(ages, rates.item_age_seconds), rtol=1e-5)
    if has_vector:
        products = e.state.factors.items[rows].astype(np.float64) @ x.vector
        assert_allclose(got[:, VECTOR], oracle.standardised(products), atol=5e-3)
    assert (got[:, IN_SESSION : IN_PAST + 1] == raw[:, IN_SESSION : IN_PAST + 1]).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32), st.lists(st.integers(-1, 29), max_size=8))
def test_gather_is_all_sources_and_then_the_normalisation(seed: int, vector_rows: list[int]) -> None:
    e = learned(seed)
    known = [row for row in vector_rows if row < e.stats()["items"]]
    x, rates, has_vector = asked(e, 3, known)
    candidates.finish_features(e.state, x, rates, has_vector)
    y = create.scratch(e.settings)
    learn.read_query(e.state, y, rates, 3, False)
    candidates.gather(e.state, y, rates, 3, np.array(known, np.int32), has_vector)
    n = int(x.query[N_CANDIDATES])
    assert y.query[N_CANDIDATES] == n
    assert (x.codes[:n] == y.codes[:n]).all()
    assert (x.features[:, :n] == y.features[:, :n]).all()
    assert len(set(x.codes[:n].tolist())) == n
    assert all(is_current(c, e.state.generation) for c in x.codes[:n])
    assert {int(c) & ROW_MASK for c in x.codes[:n]} >= {row for row in known if row >= 0}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1 << 32))
def test_the_session_and_the_history_speak_for_their_own_items(seed: int) -> None:
    stream = clicks(seed, 150, users=6, items=20, pause=4000.0)
    e = engine()
    e.learn(batch(stream))
    slow = SlowHistories(e.settings.history_length, e.settings.session_gap_seconds)
    for c in stream:
        slow.append(c.user, c.item, c.ts)
    items = list(dict.fromkeys(c.item for c in stream))
    for row, user in enumerate(dict.fromkeys(c.user for c in stream)):
        x, _, _ = asked(e, row, [])
        n = int(x.query[N_CANDIDATES])
        at = {items[int(c) & ROW_MASK]: i for i, c in enumerate(x.codes[:n])}
        session, past = slow.session(user), slow.past(user)
        expected = np.zeros((n, 4))
        for k, seen in enumerate(session):
            expected[at[seen.item], :3] = 1 / (1 + seen.steps), seen.count**0.5 - 1, k == 0
        for seen in past:
            expected[at[seen.item], 3] = (1 + seen.steps) ** -0.5
        assert_allclose(x.features[[IN_SESSION, COUNT, IS_LAST, IN_PAST], :n].T, expected, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1 << 32))
def test_transitions_are_shares_of_the_rows_of_the_last_items(seed: int) -> None:
    e = learned(seed)
    t = e.state.transitions
    for user in range(8):
        x, _, _ = asked(e, user, [])
        n = int(x.query[N_CANDIDATES])
        session = x.session_codes[: x.query[candidates.N_SESSION]]
        expected = {feature: np.zeros(n) for feature in (NEXT, NEXT_OLDER, LATER, BACK)}
        for k, item in enumerate(session[:4] & ROW_MASK):
            decay = float(x.session_decay[k])
            _add_row(
                expected[NEXT if k == 0 else NEXT_OLDER], x, t.next_codes[item], t.next_weights[item], decay
            )
            _add_row(expected[LATER], x, t.later_codes[item], t.later_weights[item], decay)
            if k == 0:
                _add_row(expected[BACK], x, t.back_codes[item], t.back_weights[item], 1.0)
        for feature, column in expected.items():
            assert_allclose(x.features[feature, :n], column, rtol=1e-4, atol=1e-7)


def _add_row(column: np.ndarray, x: Scratch, codes: np.ndarray, weights: np.ndarray, decay: float) -> None:
    held = codes != NO_CODE
    for code, weight in zip(codes[held], weights[held], strict=True):
        column[x.codes[: len(column)].tolist().index(code)] += decay * weight / weights[held].sum()


def test_more_candidates_than_there_is_room_for_are_left_out() -> None:
    e = learned(5)
    x, rates = create.scratch(e.settings), create.rates(e.settings)
    x = x._replace(codes=np.zeros(7, np.int32), features=np.zeros((candidates.N_FEATURES, 7), np.float32))
    learn.read_query(e.state, x, rates, 0, False)
    candidates.gather(e.state, x, rates, 0, np.array([1, 2, 3], np.int32), True)
    assert x.query[N_CANDIDATES] == 7
    assert len(set(x.codes.tolist())) == 7


@pytest.mark.parametrize(("n", "context"), [(0, 0), (1, 1), (2, 2), (3, 3), (5, 3), (6, 4), (16, 4)])
def test_the_rankers_context_is_the_length_of_the_session(n: int, context: int) -> None:
    x = create.scratch(engine().settings)
    x.query[candidates.N_SESSION] = n
    assert candidates.context_of(x) == context


def test_the_table_is_wiped_before_stamps_come_round_again() -> None:
    e = learned(5)
    x, rates = create.scratch(e.settings), create.rates(e.settings)
    found = []
    for stamp in (0, candidates._LAST_STAMP - 1, candidates._LAST_STAMP):
        x.query[candidates.STAMP] = stamp
        has_vector = bool(learn.read_query(e.state, x, rates, 3, False))
        candidates.gather(e.state, x, rates, 3, np.zeros(0, np.int32), has_vector)
        found.append(x.codes[: x.query[N_CANDIDATES]].tolist())
        if stamp == candidates._LAST_STAMP:
            assert x.query[candidates.STAMP] == 1
    assert found[0] and all(each == found[0] for each in found)
