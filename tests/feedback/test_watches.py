"""What is watched for lasting changes: which way counts, since when it is said to be, and bounds."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.feedback.floor import MAX_MINUTES, Quality
from stream_rec.feedback.watches import MAX_CHANGES, MAX_WATCHES, Change, Watches, spread

N = 200


def watched(metric: str, before: float, after: float) -> list[Change]:
    """What is told of a metric whose mean changes after 8,000 values; a batch of 200 comes each second."""
    watches, rng = Watches(0.002), np.random.default_rng(1)
    for second in range(60):
        rate = before if second < 40 else after
        watches.add(metric, (rng.random(N) < rate).astype(np.float64), 1000 * second)
    return watches.take()


@pytest.mark.parametrize("metric", ["fresh_hit_rate", "ctr.home", "event_mix.view"])
def test_a_fall_is_told_with_its_beginning(metric: str) -> None:
    (change,) = watched(metric, 0.4, 0.2)
    assert (change.metric, change.direction) == (metric, "drop")
    assert change.normal == pytest.approx(0.4, abs=0.03)
    assert change.level < 0.35
    assert 36_000 <= change.since_ms <= 45_000


@pytest.mark.parametrize(
    ("metric", "told"),
    [("fresh_hit_rate", 0), ("event_mix.view", 1), ("dead_letters", 1), ("unknown_items", 1)],
)
def test_a_rise_is_told_where_it_is_bad_news(metric: str, told: int) -> None:
    assert [change.direction for change in watched(metric, 0.1, 0.4)] == ["rise"] * told


def test_fewer_dead_letters_are_no_alarm() -> None:
    assert watched("dead_letters", 0.4, 0.1) == []


def test_what_cannot_be_a_records_name_and_what_is_too_much_is_not_watched() -> None:
    watches = Watches(0.002)
    for n in range(MAX_WATCHES + 5):
        watches.add(f"event_mix.type-{n}", np.zeros(1))
    watches.add("event_mix.a b", np.zeros(1))
    assert len(watches._watches) == MAX_WATCHES
    for n in range(MAX_CHANGES + 5):
        watches.tell(Change("ctr.home", "drop", n, 0.1, 0.2))
    assert [change.since_ms for change in watches.take()] == list(range(5, MAX_CHANGES + 5))
    assert watches.take() == []


def test_hits_whose_order_is_not_known_are_spread() -> None:
    assert spread(2, 6).tolist() == [0, 0, 1, 0, 0, 1]
    assert spread(3, 3).tolist() == [1, 1, 1]
    assert spread(9, 2).tolist() == [1, 1]
    assert spread(0, 0).tolist() == []


def test_quality_is_of_whole_minutes_and_nothing_is_said_of_few_events() -> None:
    quality = Quality()
    assert quality.level(10) is None
    for minute, hit in ((1, True), (2, False), (3, False), (5, True)):
        quality.add(np.full(60, hit), np.full(60, 60_000 * minute))
    assert quality.level(4) == pytest.approx(1 / 3), "the minute that is running does not count"
    assert quality.level(3) == 0.0
    assert quality.level(2) is None, "there were 60 of them"
    quality.add(np.ones(1, np.bool_), np.full(1, 0))  # late: it counts for the newest
    assert quality.level(4) == pytest.approx(1 / 3)
    for minute in range(6, 1_000):
        quality.add(np.ones(1, np.bool_), np.full(1, 60_000 * minute))
    assert len(quality._minutes) == MAX_MINUTES + 1
