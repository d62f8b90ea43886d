"""The soak tells growth from noise, and runs on a stack of its own."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from stream_rec.bench import soak
from stream_rec.bench.harness import say_on_stderr
from stream_rec.bench.soak import MOST_DRIFT, Samples, Soak, trend
from stream_rec.settings import MeasureSettings, Settings

SECONDS = [5.0 * n for n in range(240)]


def test_a_leak_of_a_tenth_is_seen_through_noise() -> None:
    noise = random.Random(1)
    leak = trend(SECONDS, [500 + 50 * n / 240 + noise.gauss(0, 5) for n in range(240)])
    assert leak.grows
    assert leak.drift == pytest.approx(50 / 525, abs=0.01)


def test_noise_alone_is_no_growth() -> None:
    noise = random.Random(2)
    assert not trend(SECONDS, [500 + noise.gauss(0, 100) for _ in SECONDS]).grows


def test_what_is_always_zero_is_flat() -> None:
    assert trend(SECONDS, [0.0] * len(SECONDS)).drift == 0


def test_a_series_that_came_later_is_judged_by_what_there_is() -> None:
    samples = Samples()
    samples.add(0.0, {"old": 1.0})
    for n in range(1, 10):
        samples.add(float(n), {"old": 1.0, "late": 5.0})
    assert len(samples.values["late"]) == len(samples.seconds) == 10
    assert abs(trend(samples.seconds, samples.values["late"]).drift) < MOST_DRIFT


def test_a_worker_is_soaked_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "PRELOAD_EVENTS", 500)
    monkeypatch.setattr(soak, "SAMPLE_SECONDS", 0.5)
    settings = Settings(measure=MeasureSettings(max_open_impressions=64))
    figures = soak.run(settings, say_on_stderr, Soak(0.1, 50.0, "tansu", tmp_path / "soak.png"))
    assert figures["exit_code"] == 0
    assert figures["samples"] >= 1  # of so short a time on a busy machine
    assert figures["gauges"] > 0
    assert (tmp_path / "soak.png").stat().st_size > 0
