"""How long a batch spends in each stage."""

from __future__ import annotations

import pytest

from stream_rec.consumers.runtime.stage_times import StageTimes
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import Span
from tests.consumers.parts import TINY, make_measures


def test_a_stage_that_is_entered_twice_adds_up() -> None:
    times = StageTimes()
    with times.stage("learn"):
        pass
    once = times.seconds["learn"]
    with times.stage("learn"), times.stage("write"):
        pass
    assert times.seconds["learn"] > once
    assert set(times.seconds) == {"learn", "write"}


def test_a_stage_that_fails_is_timed_all_the_same() -> None:
    times = StageTimes()
    with pytest.raises(ZeroDivisionError), times.stage("write"):
        raise ZeroDivisionError
    assert "write" in times.seconds


def test_every_stage_is_reported() -> None:
    measures = make_measures(Engine(TINY))
    StageTimes({"learn": 0.5, "write": 0.25}).report(measures, Span("events", 0, 0, 0, 10), 10)
    seconds = {labels["stage"]: s for labels, _, s in measures.figures().durations["stage_seconds"]}
    assert (seconds["learn"], seconds["write"], seconds["encode"]) == (0.5, 0.25, 0.0)
