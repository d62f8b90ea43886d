"""A lasting fall of the hit-rate raises one alarm; hits in runs, seasons and luck raise none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rec.feedback.drift import DriftMonitor, LevelTest


def hits(rate: float | NDArray[np.float64], n: int, seed: int, run_length: int = 1) -> NDArray[np.float64]:
    """In runs of equal ones, as one user's events make them."""
    draws = np.repeat(np.random.default_rng(seed).random(n // run_length + 1), run_length)[:n]
    return (draws < rate).astype(np.float64)


def alarms(*streams: NDArray[np.float64], delta: float = 0.002) -> list[int]:
    """Hits read when each alarm came, drops below 0; one stream after the other, all of it in one hour."""
    stream = np.concatenate(streams)
    test, found = LevelTest(delta), []
    for end in range(50, len(stream) + 1, 50):
        for moved in test.update(stream[end - 50 : end], 0):
            found.append(end if moved.level > moved.normal else -end)
    return found


def test_a_fall_of_the_hit_rate_is_told_once() -> None:
    monitor = DriftMonitor(0.002)
    assert monitor.update(hits(0.4, 5000, seed=1), 0) == []
    (moved,) = monitor.update(hits(0.2, 2000, seed=2), 0)
    assert moved.normal == pytest.approx(0.4, abs=0.02)
    assert moved.level < 0.35
    assert moved.n_hits < 2000
    assert 0.15 < monitor.mean < 0.25, "the window holds the new world only"


def test_a_rise_is_told_as_one() -> None:
    monitor = DriftMonitor(0.002)
    monitor.update(hits(0.1, 5000, seed=1), 0)
    assert [moved.level > moved.normal for moved in monitor.update(hits(0.5, 2000, seed=2), 0)] == [True]


@pytest.mark.parametrize("run_length", [1, 2, 3])
@pytest.mark.parametrize("before", [20_000, 200_000])
def test_a_fall_from_30_to_25_is_found_within_10_000_events(run_length: int, before: int) -> None:
    (found,) = alarms(hits(0.30, before, 3, run_length), hits(0.25, 10_000, 4, run_length))
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


@pytest.mark.parametrize("before", [34_000, 38_000, 40_000, 42_000])
def test_a_change_is_found_while_what_was_learned_first_is_forgotten(before: int) -> None:
    for seed in (1, 2, 3):
        (found,) = alarms(hits(0.30, before, seed), hits(0.27, 15_000, seed + 10))
        assert before < -found


def test_a_second_change_is_found_once_the_first_has_settled() -> None:
    first, second = alarms(hits(0.4, 20_000, 7), hits(0.3, 150_000, 8), hits(0.2, 10_000, 9))
    assert 20_000 < -first <= 25_000
    assert 170_000 < -second <= 175_000


def test_a_tiny_delta_raises_no_alarm_at_all() -> None:
    assert alarms(hits(0.30, 20_000, 3), hits(0.27, 5_000, 4), delta=1e-12) == []


def test_alarms_do_not_depend_on_how_the_stream_is_cut() -> None:
    stream = np.concatenate((hits(0.4, 3000, seed=1), hits(0.1, 3000, seed=2)))
    whole, cut = DriftMonitor(0.002), DriftMonitor(0.002)
    expected = whole.update(stream, 0)
    assert len(expected) == 1
    parts = [cut.update(stream[i : i + 7], 0) for i in range(0, len(stream), 7)]
    assert [moved for part in parts for moved in part] == expected
    assert cut.mean == whole.mean


def test_what_never_happened_is_news_when_it_happens_often_and_not_when_it_happens_once() -> None:
    never = np.zeros(20_000)
    assert alarms(never, hits(0.5, 1_000, 3)) == [20_100]
    assert alarms(1 - never, hits(0.5, 1_000, 3)) == [-20_100]
    assert alarms(hits(0.0005, 200_000, 8)) == []


def test_before_the_first_event_the_mean_is_zero() -> None:
    assert DriftMonitor(0.002).mean == 0.0
