"""Outcomes by arm: what is added is there, in whatever order and on how many workers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.kernels.trial_state import OUTCOMES
from stream_rec.trials.outcomes import Outcomes

amounts = st.lists(
    st.tuples(
        st.integers(0, 1), st.integers(0, 1 << 63), st.integers(0, len(OUTCOMES) - 1), st.integers(-50, 1000)
    ),
    max_size=60,
)


def filled(rows: list[tuple[int, int, int, int]]) -> Outcomes:
    made = Outcomes(["control", "blue"], 16)
    arms, users, outcomes, values = ([row[i] for row in rows] for i in range(4))
    made.add(
        np.array(arms, np.int64),
        np.array(users, np.uint64),
        np.array(outcomes, np.int64),
        np.array(values, float),
    )
    return made


@given(amounts, st.integers(0, 60))
@settings(deadline=None)
def test_neither_order_nor_the_number_of_workers_matters(
    rows: list[tuple[int, int, int, int]], cut: int
) -> None:
    whole, one, other = filled(rows), filled(rows[:cut]), filled(rows[cut:][::-1])
    one.merge(other)
    assert np.array_equal(one.array(), whole.array())
    sums = whole.moments("blue").sums
    for outcome, name in enumerate(OUTCOMES):
        assert sums[outcome] == sum(value for arm, _, at, value in rows if arm == 1 and at == outcome), name


def test_a_refund_lowers_the_net_revenue_and_no_sum() -> None:
    revenue, refund = OUTCOMES.index("revenue"), OUTCOMES.index("refund")
    made = filled([(0, 1, revenue, 100), (0, 1, refund, 30)])
    moments = made.moments("control")
    assert (moments.total("revenue"), moments.total("refund"), moments.total("net")) == (100, 30, 70)


def test_a_table_is_kept_and_taken_over_whole() -> None:
    made, again = filled([(0, 5, 0, 1), (1, 9, 2, 3)]), filled([])
    again.load(made.array().copy())
    assert [each.total("user") for each in again.by_arm().values()] == [1, 0]
    with pytest.raises(ValueError, match="a table of"):
        again.load(np.zeros((1, 2, 3)))
    with pytest.raises(ValueError, match="other arms"):
        again.merge(Outcomes(["control", "green"], 16))
    with pytest.raises(ValueError, match="power of two"):
        Outcomes(["control"], 12)
