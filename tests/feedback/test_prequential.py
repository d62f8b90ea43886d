"""Hit-rate, MRR and nDCG from ranks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stream_rec.feedback.prequential import add_ranks


def test_the_three_sums_of_one_judge_by_hand() -> None:
    sums = np.zeros((3, 2))
    add_ranks(sums, 0, np.array([[1], [3], [0], [11]], np.int32), k=10)
    assert sums[:, 1].tolist() == [4, 4, 4]
    assert sums[0, 0] == 2
    assert sums[1, 0] == pytest.approx(1 + 1 / 3)
    assert sums[2, 0] == pytest.approx(1 + 1 / math.log2(4))


def test_what_is_not_known_counts_neither_as_hit_nor_as_miss() -> None:
    sums = np.zeros((3, 2))
    add_ranks(sums, 0, np.array([[-1], [1]], np.int32), k=10)
    assert sums[:, 1].tolist() == [1, 1, 1]


def test_only_the_asked_events_and_rows_are_added_to() -> None:
    sums = np.zeros((9, 2))
    add_ranks(sums, 3, np.array([[1], [1], [1]], np.int32), k=10, first=1, last=2)
    assert sums[:, 1].tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]


@settings(deadline=None)
@given(
    arrays.arrays(np.int32, st.tuples(st.integers(0, 20), st.integers(1, 4)), elements=st.integers(-1, 30)),
    st.integers(1, 20),
)
def test_sums_equal_the_definitions_written_out(ranks: np.ndarray, k: int) -> None:
    judges = ranks.shape[1]
    sums = np.zeros((3 * judges, 2))
    add_ranks(sums, 0, ranks, k=k)
    for j in range(judges):
        known = [r for r in ranks[:, j].tolist() if r >= 0]
        hits = [r for r in known if 1 <= r <= k]
        expected = [len(hits), sum(1 / r for r in hits), sum(1 / math.log2(r + 1) for r in hits)]
        assert sums[3 * j : 3 * j + 3, 0].tolist() == pytest.approx(expected)
        assert sums[3 * j : 3 * j + 3, 1].tolist() == [len(known)] * 3
