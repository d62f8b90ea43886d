"""What is normal is what has lasted: neither the first days of an engine nor a change that was told."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.feedback.normal_level import NormalLevel

YOUNG = 640


def learned(rates: np.ndarray[tuple[int], np.dtype[np.float64]]) -> NormalLevel:
    """From the means of blocks of 50 hits."""
    normal, random = NormalLevel(), np.random.default_rng(3)
    for rate in rates.tolist():
        normal.learn(random.binomial(50, rate) / 50)
    return normal


def test_the_first_days_of_an_engine_are_no_season() -> None:
    at = np.arange(2_000)
    normal = learned(0.58 - 0.24 * np.exp(-at / 150))
    grown = learned(np.full(2_000 - YOUNG, 0.58))
    assert normal.mean == pytest.approx(0.58, abs=0.01)
    assert normal.variance(64) < 2 * grown.variance(64)
    assert normal.extremes(16)[0] > 0.5


def test_what_comes_later_is_remembered() -> None:
    rates = np.full(2_000, 0.58)
    rates[YOUNG + 200 : YOUNG + 264] = 0.3
    assert learned(rates).extremes(16)[0] == pytest.approx(0.3, abs=0.05)


def test_a_change_that_is_told_before_anything_was_normal_is_borne() -> None:
    for n in (0, 3, YOUNG + 2):
        normal = learned(np.full(n, 0.3))
        normal.start_over(0.2)
        assert normal.n == 0
