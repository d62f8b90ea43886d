"""A bounded sparse row keeps exact sums while it has room, and its heaviest entries when it has none."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.kernels import rows
from stream_rec.kernels.codes import NO_CODE
from tests.oracles.rows import Row, add

additions = st.lists(st.tuples(st.integers(1, 9), st.floats(0.125, 10, width=32)), max_size=80)


def filled(width: int, steps: list[tuple[int, float]]) -> Row:
    codes, weights = np.zeros((3, width), np.int32), np.zeros((3, width), np.float32)
    for code, weight in steps:
        rows.add(codes, weights, 1, code, np.float32(weight))
    assert not codes[[0, 2]].any(), "a neighbouring row was touched"
    return [(int(c), w) for c, w in zip(codes[1], weights[1], strict=True) if c != NO_CODE]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(1, 6))
def test_it_equals_a_list_of_pairs(seed: int, width: int) -> None:
    """Halves and wholes, so that weights are often equal and ties are tried."""
    rng = np.random.default_rng(seed)
    steps = list(zip(rng.integers(1, 10, 80).tolist(), rng.choice([0.5, 1.0, 2.0], 80).tolist(), strict=True))
    slow: Row = []
    for code, weight in steps:
        add(slow, width, code, np.float32(weight))
    assert filled(width, steps) == slow


@settings(max_examples=60, deadline=None)
@given(additions)
def test_sums_are_exact_while_there_is_room(steps: list[tuple[int, float]]) -> None:
    totals: dict[int, np.float32] = defaultdict(np.float32)
    for code, weight in steps:
        totals[code] += np.float32(weight)
    assert dict(filled(9, steps)) == totals


def test_a_heavy_entry_outlives_a_flood_of_light_ones() -> None:
    flood = [(7, 1.0)] * 50 + [(100 + i, 1.0) for i in range(1000)]
    assert dict(filled(8, flood))[7] == 50.0


def test_a_cleared_row_is_empty_and_its_neighbours_are_not() -> None:
    codes, weights = np.zeros((2, 4), np.int32), np.zeros((2, 4), np.float32)
    for row in (0, 1):
        rows.add(codes, weights, row, 5, np.float32(1))
        rows.add(codes, weights, row, 6, np.float32(1))
    rows.clear(codes, 0)
    assert codes.tolist() == [[0, 0, 0, 0], [5, 6, 0, 0]]
    rows.add(codes, weights, 0, 6, np.float32(2))
    assert (codes[0].tolist(), weights[0, 0]) == ([6, 0, 0, 0], 2.0)
