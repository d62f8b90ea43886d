"""How evenly something is spread, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.feedback.exposure import diversity, gini, top_share


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [([0, 0], 0.0), ([3, 3, 3], 0.0), ([0, 0, 0, 8], 0.75), ([1, 3], 0.25), ([], 0.0)],
)
def test_gini_by_hand(amounts: list[int], expected: float) -> None:
    assert gini(np.array(amounts, np.int64)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("amounts", "share", "expected"), [([1, 5, 2], 0.1, 5 / 8), ([1, 5, 2, 2], 0.5, 0.7), ([0.0], 0.1, 0.0)]
)
def test_the_largest_tenth_is_one_at_least(amounts: list[float], share: float, expected: float) -> None:
    assert top_share(np.array(amounts, np.float64), share) == pytest.approx(expected)


def test_diversity_is_the_chance_that_two_draws_differ() -> None:
    users, kinds = np.array([0, 0, 0, 2, 2]), np.array([4, 4, 7, 1, 1])
    found = diversity(users, kinds, np.array([1.0, 1.0, 2.0, 1.0, 1.0]))
    assert found[[0, 2]].tolist() == [0.5, 0.0]
    assert np.isnan(found[1])
    assert len(diversity(users[:0], kinds[:0], np.zeros(0))) == 0
