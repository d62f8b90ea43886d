"""ADWIN raises an alarm when the hit-rate falls, and keeps still when nothing happens."""

from __future__ import annotations

import numpy as np

from stream_rec.feedback.drift import DriftMonitor


def hits(rate: float, n: int, seed: int) -> list[bool]:
    return (np.random.default_rng(seed).random(n) < rate).tolist()


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


def test_alarms_do_not_depend_on_how_the_stream_is_cut() -> None:
    stream = hits(0.4, 3000, seed=1) + hits(0.1, 3000, seed=2)
    whole, cut = DriftMonitor(0.002), DriftMonitor(0.002)
    expected = whole.update(stream)
    parts = [cut.update(stream[i : i + 7]) for i in range(0, len(stream), 7)]
    assert tuple(map(sum, zip(*parts, strict=True))) == expected
    assert cut.mean == whole.mean


def test_before_the_first_event_the_mean_is_zero() -> None:
    assert DriftMonitor(0.002).mean == 0.0
