"""When events are due, by number or by event time."""

from __future__ import annotations

import pytest

from stream_rec.errors import ConfigError
from stream_rec.producers.feed.pace import EventTime, FullSpeed, PerSecond


def test_at_full_speed_every_event_is_due_at_once() -> None:
    assert [FullSpeed().due(n, ts) for n, ts in ((0, 1.0), (10**9, 1e9))] == [0.0, 0.0]


def test_so_many_a_second_are_due_evenly_whatever_their_times() -> None:
    pace = PerSecond(4.0)
    assert [pace.due(n, 1e9 - n) for n in range(5)] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_event_time_is_sped_up_and_never_goes_back() -> None:
    pace = EventTime(60.0)
    assert [pace.due(n, ts) for n, ts in enumerate((1000.0, 1060.0, 1030.0, 1600.0))] == [0.0, 1.0, 1.0, 10.0]


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("inf"), float("nan")])
def test_a_pace_is_a_positive_number(wrong: float) -> None:
    with pytest.raises(ConfigError):
        PerSecond(wrong)
    with pytest.raises(ConfigError):
        EventTime(wrong)
