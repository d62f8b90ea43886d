"""Sums per window and partition become points: when a window is over, and now and then before."""

from __future__ import annotations

import numpy as np

from stream_rec.settings import MeasureSettings
from stream_rec.telemetry.points import latest
from stream_rec.telemetry.series import MAX_REASONS, Series
from stream_rec.telemetry.windows import MAX_WAITING, Windows
from tests.feedback.making import MINUTE

SERIES = Series(10, ["markov"])
LEARNED = SERIES.row("events_learned")


def windows(live_seconds: float = 5.0, open_windows: int = 4) -> Windows:
    return Windows(MeasureSettings(live_seconds=live_seconds, open_windows=open_windows), SERIES)


def learned(to: Windows, broker_ts: int, n: int = 1, partition: int = 0) -> None:
    to.at("events", partition, broker_ts).sums[LEARNED] += n


def test_a_present_window_is_given_out_at_most_every_live_seconds() -> None:
    w = windows()
    learned(w, 0)
    assert len(w.due(100.0)) == 1
    learned(w, 1)
    assert w.due(104.9) == []
    (point,) = w.due(105.0)
    assert (point.numerator, point.window_start) == (2, 0)


def test_a_window_that_is_over_is_given_out_at_once_and_the_present_one_waits() -> None:
    w = windows()
    learned(w, 0)
    w.due(100.0)
    learned(w, 10)
    learned(w, MINUTE)
    (point,) = w.due(100.1)
    assert (point.window_start, point.numerator) == (0, 2)


def test_what_has_not_changed_is_not_given_out_again() -> None:
    w = windows(live_seconds=0.0)
    learned(w, 0)
    assert len(w.due(1.0)) == 1
    assert w.due(2.0) == []


def test_a_late_record_makes_the_same_point_again_with_a_larger_sum() -> None:
    w = windows(live_seconds=0.0)
    learned(w, 0)
    learned(w, MINUTE)
    first = w.due(1.0)
    learned(w, 5)
    second = w.due(2.0)
    assert [p.window_start for p in second] == [0]
    assert sum(p.numerator for p in latest(second + first).values()) == 3


def test_a_window_that_makes_room_is_not_lost() -> None:
    w = windows(open_windows=2)
    w.due(0.0)
    for minute in range(5):
        learned(w, minute * MINUTE)
    points = w.due(0.1, everything=True)
    assert sorted(p.window_start // MINUTE for p in points) == [0, 1, 2, 3, 4]


def test_a_timestamp_that_is_far_off_does_not_stop_the_others() -> None:
    w = windows(open_windows=2, live_seconds=0.0)
    learned(w, 10**15)
    for second in range(10):
        learned(w, second * 1000)
    points = latest(w.due(1.0))
    assert sorted(p.numerator for p in points.values()) == [1, 10]


def test_points_nobody_takes_are_bounded_and_counted() -> None:
    w = windows(open_windows=2)
    w.due(0.0)
    for minute in range(MAX_WAITING + 12):
        learned(w, minute * MINUTE)
    assert len(w.due(0.1, everything=True)) == MAX_WAITING + 2
    assert w.dropped == 10


def test_a_released_partition_gives_its_last_points_and_stays_in_the_totals() -> None:
    w = windows()
    w.due(0.0)
    learned(w, 0, partition=0)
    learned(w, 0, partition=1)
    assert [p.partition for p in w.release("events", 0)] == [0]
    assert w.release("events", 0) == []
    assert [p.partition for p in w.due(0.0, everything=True)] == [1]
    assert w.totals()[0][LEARNED].tolist() == [2, 2]
    assert w.recent()[0][LEARNED].tolist() == [1, 1]


def test_a_batch_is_split_into_runs_of_the_same_window() -> None:
    w = windows()
    stamps = np.array([1, 2, MINUTE, MINUTE + 1, 3], np.int64)
    runs = [(window.start, a, b) for window, a, b in w.split("events", 0, stamps)]
    assert runs == [(0, 0, 2), (MINUTE, 2, 4), (0, 4, 5)]
    assert [(a, b) for _, a, b in w.split("events", 0, stamps[:2])] == [(0, 2)]
    assert [(window.start, a, b) for window, a, b in w.split("events", 0, stamps, 3)] == [
        (MINUTE, 3, 4),
        (0, 4, 5),
    ]
    assert list(w.split("events", 0, stamps, 5)) == []


def test_reasons_of_dead_letters_get_names_up_to_a_bound() -> None:
    series = Series(10, [])
    rows = {series.reason(f"reason {i}") for i in range(100)}
    assert len(rows) == MAX_REASONS
    assert series.reason("one more") == series.reason("other")
    assert None not in [series.names[row] for row in rows]
