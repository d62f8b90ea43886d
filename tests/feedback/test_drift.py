"""A lasting fall of the hit-rate raises one alarm; hits in runs, seasons and luck raise none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rec.feedback.drift import DriftMonitor


def hits(rate: float | NDArray[np.float64], n: int, seed: int, run_length: int = 1) -> list[bool]:
    """In runs of equal ones, as one user's events make them."""
    draws = np.repeat(np.random.default_rng(seed).random(n // run_length + 1), run_length)[:n]
    found: list[bool] = (draws < rate).tolist()
    return found


def alarms(stream: list[bool], delta: float = 0.002) -> list[int]:
    """Hits read when each alarm came, drops below 0."""
    monitor, found = DriftMonitor(delta), []
    for end in range(50, len(stream) + 1, 50):
        drops, rises = monitor.update(stream[end - 50 : end])
        found.extend([-end] * drops + [end] * rises)
    return found


def test_a_fall_of_the_hit_rate_calls_back_once() -> None:
    called: list[str] = []
    monitor = DriftMonitor(0.002, on_drop=lambda: called.append("drop"))
    assert monitor.update(hits(0.4, 5000, seed=1)) == (0, 0)
    drops, rises = monitor.update(hits(0.2, 2000, seed=2))
    assert (drops, rises) == (1, 0)
    assert called == ["drop"]
    assert 0.15 < monitor.mean < 0.25, "the window holds the new world only"


def test_a_rise_is_counted_but_calls_nobody() -> None:
    called: list[str] = []
    monitor = DriftMonitor(0.002, on_drop=lambda: called.append("drop"))
    monitor.update(hits(0.1, 5000, seed=1))
    drops, rises = monitor.update(hits(0.5, 2000, seed=2))
    assert drops == 0
    assert rises >= 1
    assert called == []


@pytest.mark.parametrize("run_length", [1, 2, 3])
@pytest.mark.parametrize("before", [20_000, 200_000])
def test_a_fall_from_30_to_25_is_found_within_10_000_events(run_length: int, before: int) -> None:
    stream = hits(0.30, before, 3, run_length) + hits(0.25, 10_000, 4, run_length)
    (found,) = alarms(stream)
    assert before < -found <= before + 10_000


@pytest.mark.parametrize("run_length", [1, 2, 3, 5, 10, 20])
@pytest.mark.parametrize("rate", [0.3, 0.05])
def test_hits_in_runs_raise_no_alarm_on_a_stationary_stream(run_length: int, rate: float) -> None:
    assert alarms(hits(rate, 200_000, 5, run_length)) == []


@pytest.mark.parametrize("period", [2_000, 20_000, 60_000])
@pytest.mark.parametrize("run_length", [1, 20])
def test_a_season_raises_one_alarm_at_most_and_is_known_from_then_on(period: int, run_length: int) -> None:
    rates = 0.3 + 0.06 * np.sin(2 * np.pi * np.arange(400_000) / period)
    assert len(alarms(hits(rates, len(rates), 6, run_length))) <= 1


def test_a_second_change_is_found_once_the_first_has_settled() -> None:
    stream = hits(0.4, 20_000, 7) + hits(0.3, 150_000, 8) + hits(0.2, 10_000, 9)
    first, second = alarms(stream)
    assert 20_000 < -first <= 25_000
    assert 170_000 < -second <= 175_000


def test_a_tiny_delta_raises_no_alarm_at_all() -> None:
    assert alarms(hits(0.30, 20_000, 3) + hits(0.27, 5_000, 4), delta=1e-12) == []


def test_alarms_do_not_depend_on_how_the_stream_is_cut() -> None:
    stream = hits(0.4, 3000, seed=1) + hits(0.1, 3000, seed=2)
    whole, cut = DriftMonitor(0.002), DriftMonitor(0.002)
    expected = whole.update(stream)
    assert expected == (1, 0)
    parts = [cut.update(stream[i : i + 7]) for i in range(0, len(stream), 7)]
    assert tuple(map(sum, zip(*parts, strict=True))) == expected
    assert cut.mean == whole.mean


def test_before_the_first_event_the_mean_is_zero() -> None:
    assert DriftMonitor(0.002).mean == 0.0
