"""The candidates of a query: every source's, each once, with features normalised as a slow twin does it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from stream_rec.engine.engine import Engine
from stream_rec.engine.fold import learn
from stream_rec.engine.fold.state import Query, Rates
from stream_rec.engine.state import create
from stream_rec.kernels import candidates, normalise
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of, is_current
from stream_rec.sources import registry
from stream_rec.sources.factorization import VECTOR
from stream_rec.sources.features import ECHOES, KIND_OF, LIST
from stream_rec.sources.popularity import POPULAR_SHORT, RATES, YOUTH
from stream_rec.sources.session import IN_PAST, IN_SESSION
from tests.engine.holding import parts
from tests.oracles import candidates as oracle
from tests.sources.making import batch, clicks, engine


def learned(seed: int, n: int = 200) -> Engine:
    e = engine()
    e.learn(batch(clicks(seed, n, users=20, items=30, pause=8000.0)))
    return e


def asked(e: Engine, user: int, indexed: list[int]) -> tuple[Query, Rates]:
    """Everything up to, but without, the last step of `gather`."""
    query, rates = create.query(e.settings), create.rates(e.settings)
    query.has_vector[0] = learn.read_query(*parts(e, query, rates), user, False)
    query.indexed[: len(indexed)] = indexed
    for name in ("session", "transitions", "neighbours", "item_neighbours", "factorization", "popularity"):
        registry.MODULES[name].propose(*parts(e, query, rates))
    return query, rates


def finish(e: Engine, query: Query, rates: Rates) -> None:
    for name in ("factorization", "popularity"):
        registry.MODULES[name].describe(*parts(e, query, rates))
    registry.normalise_features(*parts(e, query, rates)[1:])
    registry.silence_echoes(parts(e, query)[1])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(-1, 19))
def test_features_are_normalised_as_a_slow_twin_does_it(seed: int, user: int) -> None:
    e = learned(seed)
    query, rates = asked(e, min(user, int(e.stats()["users"]) - 1), [])
    n = int(query.n_candidates[0])
    raw = query.features[:, :n].T.astype(np.float64)
    rows = query.codes[:n] & ROW_MASK
    finish(e, query, rates)
    got = query.features[:, :n].T
    heard = ~np.isin(query.codes[:n], query.session_codes[: query.n_session[0]])
    assert not got[np.ix_(~heard, ECHOES)].any()
    for j in np.flatnonzero(KIND_OF == LIST):
        expected = oracle.shares_of_heaviest(raw[:, j]) * (heard | ~ECHOES[j])
        assert_allclose(got[:, j], expected, rtol=1e-5)
    p, now = e.state.popularity, e.event_time
    for h in range(3):
        with np.errstate(divide="ignore"):
            logs = np.log(p.scores[h, rows])
        expected = oracle.popularity(logs, normalise.LOG_SPAN)
        expected *= heard | ~ECHOES[POPULAR_SHORT + h]
        assert_allclose(got[:, POPULAR_SHORT + h], expected, atol=1e-5)
    ages = now - e.state.first_seen[rows]
    assert_allclose(got[:, YOUTH], oracle.youth(ages, RATES.item_age_seconds) * heard, rtol=1e-5)
    if query.has_vector[0]:
        products = e.state.factors.items[rows].astype(np.float64) @ query.vector
        assert_allclose(got[:, VECTOR], oracle.standardised(products), atol=5e-3)
    assert (got[:, IN_SESSION : IN_PAST + 1] == raw[:, IN_SESSION : IN_PAST + 1]).all()


def test_an_item_in_the_row_of_one_that_the_session_had_is_heard() -> None:
    e = learned(7)
    query, rates = create.query(e.settings), create.rates(e.settings)
    learn.read_query(*parts(e, query, rates), 3, False)
    row = query.session_codes[0] & ROW_MASK
    e.state.generation[row] += 1
    code = code_of(row, e.state.generation)
    c = candidates.candidate(*parts(e, query)[:2], code, NO_CODE, 1)
    query.features[:, c] = 1.0
    registry.silence_echoes(parts(e, query)[1])
    assert query.features[:, c].all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32), st.lists(st.integers(-1, 29), max_size=8))
def test_gather_is_all_sources_and_then_the_normalisation(seed: int, vector_rows: list[int]) -> None:
    e = learned(seed)
    known = [row for row in vector_rows if row < e.stats()["items"]]
    query, rates = asked(e, 3, known)
    finish(e, query, rates)
    y = create.query(e.settings)
    has_vector = bool(learn.read_query(*parts(e, y, rates), 3, False))
    registry.gather(*parts(e, y, rates), np.array(known, np.int32), has_vector)
    n = int(query.n_candidates[0])
    assert y.n_candidates[0] == n
    assert (query.codes[:n] == y.codes[:n]).all()
    assert (query.features[:, :n] == y.features[:, :n]).all()
    assert len(set(query.codes[:n].tolist())) == n
    assert all(is_current(c, e.state.generation) for c in query.codes[:n])
    assert {int(c) & ROW_MASK for c in query.codes[:n]} >= {row for row in known if row >= 0}


def test_more_candidates_than_there_is_room_for_are_left_out() -> None:
    e = learned(5)
    query, rates = create.query(e.settings), create.rates(e.settings)
    query = query._replace(
        codes=np.zeros(7, np.int32), features=np.zeros((len(query.features), 7), np.float32)
    )
    learn.read_query(*parts(e, query, rates), 0, False)
    registry.gather(*parts(e, query, rates), np.array([1, 2, 3], np.int32), True)
    assert query.n_candidates[0] == 7
    assert len(set(query.codes.tolist())) == 7


def test_the_table_is_wiped_before_stamps_come_round_again() -> None:
    e = learned(5)
    query, rates = create.query(e.settings), create.rates(e.settings)
    found = []
    for stamp in (0, candidates.LAST_STAMP - 1, candidates.LAST_STAMP):
        query.stamp[0] = stamp
        has_vector = bool(learn.read_query(*parts(e, query, rates), 3, False))
        registry.gather(*parts(e, query, rates), np.zeros(0, np.int32), has_vector)
        found.append(query.codes[: query.n_candidates[0]].tolist())
        if stamp == candidates.LAST_STAMP:
            assert query.stamp[0] == 1
    assert found[0] and all(each == found[0] for each in found)
