"""Transitions equal a recount of all events: exactly without decay, to rounding with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from stream_rec.engine.fold.state import Query
from stream_rec.engine.state import create
from stream_rec.kernels import candidates
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.codes import NO_CODE, ROW_MASK
from stream_rec.kernels.reference import refer
from stream_rec.sources import transitions
from stream_rec.sources.transitions import BACK, CLOCK, LATER, NEXT, NEXT_OLDER, TransitionState
from tests.contract.sources import SourceContract
from tests.engine.holding import parts
from tests.oracles.transitions import Arrival, Pairs, recount
from tests.sources.making import batch, clicks, code, engine

N_ITEMS = 7
DAY = 86_400.0

arrivals = st.lists(
    st.builds(
        Arrival,
        st.permutations(range(N_ITEMS)).flatmap(lambda p: st.integers(0, N_ITEMS).map(lambda n: p[:n])),
        st.integers(0, N_ITEMS - 1),
        st.floats(0, 5000 * DAY),
        st.sampled_from([1.0, 1.5, 2.0]),
    ),
    max_size=60,
)


def learned(stream: list[Arrival], rate: float) -> TransitionState:
    made = transitions.empty(Bounds(items=N_ITEMS))._replace(clock=np.array([(rate, 0.0)], CLOCK))
    t: TransitionState = refer(made)
    generation = np.ones(N_ITEMS, np.uint8)
    for a in stream:
        recent = np.zeros(16, np.int32)
        recent[: len(a.recent)] = [code(item) for item in a.recent]
        item, weight = np.int32(code(a.item)), np.float32(a.weight)
        transitions.observe(t, recent, len(a.recent), item, a.ts, weight, generation)
    return t


def pairs(codes: NDArray[np.int32], weights: NDArray[np.float32]) -> Pairs:
    return {
        (row, int(held & ROW_MASK)): weights[row, at]
        for row in range(N_ITEMS)
        for at, held in enumerate(codes[row])
        if held != NO_CODE
    }


def tables(t: TransitionState) -> tuple[Pairs, Pairs, Pairs]:
    return (
        pairs(t.next_codes, t.next_weights),
        pairs(t.later_codes, t.later_weights),
        pairs(t.back_codes, t.back_weights),
    )


@settings(max_examples=60, deadline=None)
@given(arrivals)
def test_without_decay_they_equal_a_recount_exactly(stream: list[Arrival]) -> None:
    assert tables(learned(stream, 0.0)) == recount(stream, 0.0, 0.0)


@settings(max_examples=60, deadline=None)
@given(arrivals, st.sampled_from([transitions.HALF_LIFE, DAY]))
def test_with_decay_they_equal_a_recount_to_rounding(stream: list[Arrival], half_life: float) -> None:
    rate = math.log(2) / half_life
    t = learned(stream, rate)
    now = max((a.ts for a in stream), default=0.0)
    unit = math.exp(rate * (now - t.clock[0]["landmark"]))
    for got, expected in zip(tables(t), recount(stream, rate, now), strict=True):
        assert got.keys() == expected.keys()
        for pair, weight in expected.items():
            # float32 holds 38 decades; what decayed below that is as good as nothing.
            assert got[pair] / unit == pytest.approx(weight, rel=1e-4, abs=1e-18), pair


def test_a_stale_item_in_the_session_teaches_nothing() -> None:
    t = refer(transitions.empty(Bounds(items=4)))
    generation = np.array([1, 2, 1, 1], np.uint8)
    recent = np.array([code(1, generation=1), code(2)], np.int32)
    transitions.observe(t, recent, 2, np.int32(code(3)), 0.0, np.float32(1), generation)
    assert not t.next_codes.any()
    assert t.later_codes[2, 0] == code(3)


def test_an_items_own_rows_are_forgotten() -> None:
    t = learned([Arrival([1, 2], 3, 0.0, 1.0), Arrival([3], 1, 0.0, 1.0)], 0.0)
    transitions.clear(t, 1)
    assert tables(t)[0] == {(3, 1): 1.0}
    assert tables(t)[2] == {(3, 1): 1.0}


def _add_row(column: np.ndarray, query: Query, codes: np.ndarray, weights: np.ndarray, decay: float) -> None:
    held = codes != NO_CODE
    for other, weight in zip(codes[held], weights[held], strict=True):
        column[query.codes[: len(column)].tolist().index(other)] += decay * weight / weights[held].sum()


class TestTransitions(SourceContract):
    name = "transitions"

    def assert_equals_twin(self, seed: int) -> None:
        """Features are shares of the rows of the last items; that rows are right is told above."""
        e = engine()
        e.learn(batch(clicks(seed, 200, users=20, items=30, pause=8000.0)))
        t = e.state.transitions
        for user in range(8):
            query, rates = create.query(e.settings), create.rates(e.settings)
            candidates.read_context(*parts(e, query)[:2], user, False)
            transitions.propose(*parts(e, query, rates))
            n = int(query.n_candidates[0])
            session = query.session_codes[: query.n_session[0]]
            expected = {feature: np.zeros(n) for feature in (NEXT, NEXT_OLDER, LATER, BACK)}
            for k, item in enumerate(session[:4] & ROW_MASK):
                decay = float(query.session_decay[k])
                _add_row(
                    expected[NEXT if k == 0 else NEXT_OLDER],
                    query,
                    t.next_codes[item],
                    t.next_weights[item],
                    decay,
                )
                _add_row(expected[LATER], query, t.later_codes[item], t.later_weights[item], decay)
                if k == 0:
                    _add_row(expected[BACK], query, t.back_codes[item], t.back_weights[item], 1.0)
            for feature, column in expected.items():
                assert_allclose(query.features[feature, :n], column, rtol=1e-4, atol=1e-7)
