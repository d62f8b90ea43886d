"""Transitions equal a recount of all events: exactly without decay, to rounding with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_rec.kernels import transitions as kernels
from stream_rec.kernels.codes import NO_CODE, ROW_MASK
from stream_rec.kernels.transitions import TransitionState
from stream_rec.sources import transitions
from tests.oracles.transitions import Arrival, Pairs, recount
from tests.sources.making import code

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
    t = transitions.empty(N_ITEMS)._replace(clock=np.array([rate, 0.0]))
    generation = np.ones(N_ITEMS, np.uint8)
    for a in stream:
        recent = np.zeros(16, np.int32)
        recent[: len(a.recent)] = [code(item) for item in a.recent]
        kernels.observe(t, recent, len(a.recent), code(a.item), a.ts, np.float32(a.weight), generation)
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
    unit = math.exp(rate * (now - t.clock[1]))
    for got, expected in zip(tables(t), recount(stream, rate, now), strict=True):
        assert got.keys() == expected.keys()
        for pair, weight in expected.items():
            # float32 holds 38 decades; what decayed below that is as good as nothing.
            assert got[pair] / unit == pytest.approx(weight, rel=1e-4, abs=1e-18), pair


def test_a_stale_item_in_the_session_teaches_nothing() -> None:
    t = transitions.empty(4)
    generation = np.array([1, 2, 1, 1], np.uint8)
    recent = np.array([code(1, generation=1), code(2)], np.int32)
    kernels.observe(t, recent, 2, code(3), 0.0, np.float32(1), generation)
    assert not t.next_codes.any()
    assert t.later_codes[2, 0] == code(3)


def test_an_items_own_rows_are_forgotten() -> None:
    t = learned([Arrival([1, 2], 3, 0.0, 1.0), Arrival([3], 1, 0.0, 1.0)], 0.0)
    kernels.clear(t, 1)
    assert tables(t)[0] == {(3, 1): 1.0}
    assert tables(t)[2] == {(3, 1): 1.0}
