"""Figures of slates, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stream_rec.offline.evaluate.slates import SlateFigures

UNIT = np.eye(4, dtype=np.float32)


def numbers(*items: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array(items, np.int32)


def test_coverage_is_of_the_items_learned() -> None:
    figures = SlateFigures(2, np.zeros(10, np.int8))
    figures.learned(numbers(0, 1, 2, 3, 3))
    figures.add(numbers(3, 0), UNIT[:2])
    figures.add(numbers(3, 1), UNIT[:2])
    assert figures.figures()["coverage@2"] == 3 / 4


def test_novelty_and_popularity_go_by_what_was_learned_before() -> None:
    figures = SlateFigures(1, np.zeros(4, np.int8))
    figures.learned(numbers(0, 0, 0, 1))
    figures.add(numbers(1), UNIT[:1])
    figures.learned(numbers(1, 1, 1, 1))
    figures.add(numbers(0), UNIT[:1])
    got = figures.figures()
    assert got["novelty@1"] == pytest.approx((2.0 + math.log2(8 / 3)) / 2)
    assert got["popularity_share@1"] == pytest.approx((1 / 3 + 3 / 5) / 2)


@pytest.mark.parametrize(
    ("factors", "diversity"),
    [
        (UNIT[:3], 1.0),
        (np.stack([UNIT[0], 2 * UNIT[0]]), 0.0),
        (np.stack([UNIT[0], UNIT[0], UNIT[1]]), 2 / 3),
        (np.stack([UNIT[0], 0 * UNIT[0]]), 1.0),
    ],
)
def test_diversity_is_the_mean_distance_of_pairs(factors: np.ndarray, diversity: float) -> None:  # type: ignore[type-arg]
    figures = SlateFigures(3, np.zeros(4, np.int8))
    figures.learned(numbers(0, 1, 2, 3))
    figures.add(np.arange(len(factors), dtype=np.int32), factors)
    assert figures.figures()["diversity@3"] == pytest.approx(diversity, abs=1e-6)


def test_the_rest_of_the_session_by_hand() -> None:
    figures = SlateFigures(4, np.zeros(9, np.int8))
    figures.add_rest(numbers(5, 1, 7, 2), {1, 2, 3})
    got = figures.figures()
    assert got["rest_recall@4"] == pytest.approx(2 / 3)
    assert got["rest_precision@4"] == pytest.approx(2 / 4)
    assert got["rest_map@4"] == pytest.approx((1 / 2 + 2 / 4) / 3)


def test_what_no_slate_had_a_say_in_is_left_out() -> None:
    figures = SlateFigures(1, np.zeros(3, np.int8))
    figures.add(numbers(), UNIT[:0])
    assert figures.figures() == {}
    figures.learned(numbers(0, 1))
    figures.add(numbers(1), UNIT[:1])
    assert figures.figures().keys() == {"coverage@1", "gini@1", "novelty@1", "popularity_share@1"}


def test_a_slate_of_the_users_own_mix_is_calibrated() -> None:
    for shown, past, bits in ((numbers(0, 2), (5, 0, 5), 0.0), (numbers(0, 0), (0, 0, 1), 1.0)):
        figures = SlateFigures(2, np.array([0, 1, 2], np.int8))
        figures.add_past(shown, np.array(past))
        figures.add_past(shown, np.zeros(3, np.int64))  # nothing is known of who has had nothing
        assert figures.figures()["miscalibration@2"] == pytest.approx(bits)
