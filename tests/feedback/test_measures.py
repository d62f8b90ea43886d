"""What a worker measures, from batches to points, last values and Prometheus."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.feedback.measures import Measures
from stream_rec.feedback.served import UNKNOWN
from stream_rec.schemas.columns import Span
from stream_rec.settings import MeasureSettings
from stream_rec.telemetry.points import total
from tests.feedback.making import MINUTE, FakeJudged, FakeLearned, FakeRated, attribution, do, show


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def measures(**settings: object) -> Measures:
    return Measures(MeasureSettings(**settings), ["markov", "vectors"])  # type: ignore[arg-type]


def batch(
    m: Measures,
    start: int,
    served: np.ndarray,
    popular: np.ndarray,
    *,
    learned: FakeLearned | None = None,
    ts: int = 0,
    partition: int = 0,
) -> None:
    n = len(served)
    m.on_batch(
        Span("events", partition, 1, start, start + n),
        np.arange(start, start + n),
        np.full(n, ts, np.int64),
        served=served,
        popular=popular,
        learned=learned or FakeLearned(n_learned=n),
    )


def test_served_and_popular_stand_beside_each_other_on_the_same_events() -> None:
    m = measures()
    batch(m, 0, ints(1, 0, UNKNOWN, 11), ints(0, 2, 1, 0))
    live = m.live()
    assert live["served_hit_rate{k=10,source=slate}"] == pytest.approx(1 / 3)
    assert live["served_hit_rate{k=10,source=popular_list}"] == pytest.approx(1 / 3)
    assert live["served_mrr{k=10,source=popular_list}"] == pytest.approx(0.5 / 3)
    assert live["served_known"] == 3 / 4


def test_a_batch_that_comes_again_counts_once() -> None:
    m = measures()
    batch(m, 0, ints(1, 1, 1, 1), ints(0, 0, 0, 0))
    batch(m, 0, ints(0, 0, 0, 0), ints(0, 0, 0, 0), learned=FakeLearned())
    batch(m, 2, ints(0, 0, 0, 0), ints(0, 0, 0, 0), learned=FakeLearned(n_learned=2))
    points = m.due_points(0.0)
    assert total(points, "served_hit_rate", source="slate") == (4, 6)
    assert total(points, "events_learned")[0] == 6


def test_events_that_were_learned_before_they_were_served_are_not_judged() -> None:
    """At a hand-over the follower was ahead: the slates that were served knew these events already."""
    m = measures()
    batch(m, 0, ints(1, 1, 1, 0), ints(0, 0, 0, 0), learned=FakeLearned(n_learned=1))
    assert total(m.due_points(0.0), "served_hit_rate", source="slate") == (0, 1)


def test_fresh_figures_are_kept_per_source_with_popularity_beside() -> None:
    m = measures()
    fresh = FakeJudged(
        at=ints(0, 2),
        rank=ints(1, 0),
        rank_by_source=np.array([[0, 2], [0, 0]], np.int32),
        popularity=ints(5, 20),
        only_index=np.array([True, False]),
    )
    batch(m, 0, ints(0, 0, 0), ints(0, 0, 0), learned=FakeLearned(3, fresh=fresh))
    live = m.live()
    assert live["fresh_hit_rate{k=10,source=blended}"] == 0.5
    assert live["fresh_hit_rate{k=10,source=markov}"] == 0.0
    assert live["fresh_mrr{k=10,source=vectors}"] == 0.25
    assert live["fresh_hit_rate{k=10,source=baseline}"] == 0.5
    assert live["index_only_hits"] == 1.0


def test_errors_of_predicted_ratings_are_counted_in_the_window_of_their_event() -> None:
    m = measures()
    rated = FakeRated(np.array([0, 2]), np.array([4, 2], np.float32), np.array([3, 2.5], np.float32))
    batch(m, 0, ints(0, 0, 0), ints(0, 0, 0), learned=FakeLearned(3, rated=rated))
    live = m.live()
    assert live["rating_mae"] == 0.75
    assert live["rating_mse"] == 0.625
    assert total(m.due_points(0.0), "rating_mse") == (1.25, 2)


def test_a_batch_over_the_end_of_a_window_is_counted_in_both() -> None:
    m = measures()
    m.on_batch(
        Span("events", 0, 1, 0, 3),
        np.arange(3),
        np.array([MINUTE - 1, MINUTE, MINUTE + 1]),
        served=ints(1, 0, 0),
        popular=ints(0, 0, 0),
        learned=FakeLearned(
            3, fresh=FakeJudged(ints(2), ints(1), np.zeros((1, 2), np.int32), ints(0), np.zeros(1, bool))
        ),
    )
    points = m.due_points(0.0)
    by_window = {
        p.window_start: (p.numerator, p.denominator)
        for p in points
        if p.metric == "served_hit_rate" and p.labels["source"] == "slate"
    }
    assert by_window == {0: (1, 1), MINUTE: (0, 2)}
    assert [p.window_start for p in points if p.metric == "fresh_hit_rate" and p.numerator] == [MINUTE]


def test_freshness_is_the_time_from_publishing_to_a_readable_slate() -> None:
    m = measures()
    published = np.array([1000, 1010, 1020, 2000])
    span = Span("events", 0, 1, 0, 4)
    m.on_written(span, published, 1030.0, written=3, stale=1, items=60, only_index_items=6)
    live = m.live()
    assert live["freshness_ms"] == pytest.approx((30 + 20 + 10 + 0) / 4), "never below 0"
    assert live["freshness_within{ms=10}"] == 0.5
    assert live["freshness_within{ms=25}"] == 0.75
    assert live["freshness_ms_p99"] == pytest.approx(30, rel=0.1)
    assert live["slates_written"] == 3
    assert live["index_only_items"] == 0.1
    assert total(m.due_points(0.0), "slates_stale") == (1, 4)


def test_dead_letters_are_counted_by_reason_in_their_own_window() -> None:
    m = measures()
    m.on_dead_letters(Span("events", 2, 1, 0, 3), ["bad_json", "bad_json", "empty"], [0, MINUTE, MINUTE])
    points = m.due_points(0.0)
    assert total(points, "dead_letters", reason="bad_json") == (2, 2)
    assert {p.window_start for p in points} == {0, MINUTE}
    assert m.live()["dead_letters{reason=empty}"] == 1


def test_counts_stage_times_lag_and_the_engines_figures_are_found_by_name() -> None:
    m = measures()
    span = Span("events", 0, 1, 0, 10)
    batch(m, 0, ints(0), ints(0), learned=FakeLearned(1, n_repeated=2, evicted_users=3, evicted_items=4))
    m.add("events", 0, "misrouted", 5, 10)
    m.time_stage(span, "learn", 0.001, 10)
    m.set_lag("events", 0, 7)
    m.set_engine({"users": 9.0}, catalogue_items=50)
    live = m.live()
    expected = {
        "events_learned": 1,
        "events_repeated": 2,
        "evicted_users": 3,
        "evicted_items": 4,
        "misrouted": 5,
        "stage_us{stage=learn}": 100,
        "lag": 7,
        "partition_lag{partition=0,topic=events}": 7,
        "engine{stat=users}": 9,
    }
    assert {name: live[name] for name in expected} == pytest.approx(expected)


def test_a_name_that_is_no_metric_is_an_error() -> None:
    with pytest.raises(KeyError):
        measures().add("events", 0, "made_up", 1, 1)


def test_a_fall_of_the_served_hit_rate_is_told_once_with_its_beginning_and_is_counted() -> None:
    m = Measures(MeasureSettings(), [])
    rng = np.random.default_rng(3)
    start = 0
    for rate in (0.5, 0.1):
        for _ in range(20):
            served = (rng.random(200) < rate).astype(np.int32)
            learned = FakeLearned(200, fresh=_none())
            batch(m, start, served, np.zeros(200, np.int32), learned=learned, ts=start)
            start += 200
    (fall,) = m.take_changes()
    assert m.take_changes() == []
    assert (fall.metric, fall.normal) == ("served_hit_rate", pytest.approx(0.5, abs=0.05))
    assert fall.level < 0.4
    assert fall.since_ms > 0
    assert m.live()["drift_alarms{direction=drop}"] == 1
    assert 0.05 < m.live()["served_hit_rate_adwin"] < 0.15


def _none() -> FakeJudged:
    return FakeJudged(rank_by_source=np.zeros((0, 0), np.int32))


def test_outcomes_of_owned_impressions_come_with_the_points_and_last_values() -> None:
    a = attribution()
    m = Measures(MeasureSettings(max_outcome_cells=64), [], attribution=a)
    m.set_engine({}, catalogue_items=10)
    m.assign("impressions", 0)
    show(a, 1, [10, 11], ts=0)
    show(a, 2, [10, 11], ts=0, partition=1)
    do(a, 1, 10, ts=1)
    assert total(m.due_points(0.0), "ctr") == (1, 1)
    live = m.live()
    assert live["ctr{scenario=default,segment=new,variant=none}"] == 1.0
    assert live["coverage_recent{scenario=default}"] == pytest.approx(0.2, rel=0.05)
    do(a, 1, 11, ts=2)
    assert total(m.release("impressions", 0), "place_ctr") == (2, 2)
    assert m.due_points(1000.0) == []


def test_what_was_released_may_be_counted_again_by_the_next_owner() -> None:
    m = measures()
    batch(m, 0, ints(1), ints(0))
    m.set_lag("events", 0, 5)
    assert total(m.release("events", 0), "served_hit_rate", source="slate") == (1, 1)
    assert "partition_lag{partition=0,topic=events}" not in m.live()
    batch(m, 0, ints(1), ints(0))
    assert total(m.due_points(0.0), "served_hit_rate", source="slate") == (1, 1)


def test_at_the_end_everything_is_given_out() -> None:
    m = measures()
    batch(m, 0, ints(1), ints(0))
    m.due_points(0.0)
    batch(m, 1, ints(1), ints(0))
    assert m.due_points(0.1) == []
    assert total(m.due_points(0.2, everything=True), "served_hit_rate", source="slate") == (2, 2)


def test_event_types_that_the_table_does_not_know_are_counted_by_name_up_to_a_bound_and_said_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    m = measures()
    for start in (0, 100):
        m.on_unknown_types(Span("events", 0, 1, start, start + 100), {"play": 3, "stop": 1}, 100)
    m.on_unknown_types(Span("events", 0, 1, 200, 300), {f"t{n}": 1 for n in range(20)} | {"x" * 100: 5}, 100)
    live = m.live()
    assert live["unknown_event_types{type=play}"] == 6
    assert live["unknown_event_types{type=other}"] == 7 + 5
    assert sum(name.startswith("unknown_event_types") for name in live) == 16
    assert "".join(capfd.readouterr()).count("event_type=play") == 1


def test_what_is_ignored_or_no_interest_is_counted_and_no_test_of_slates() -> None:
    m = measures()
    unknown = ints(1, UNKNOWN, UNKNOWN, 0)
    no_interest = np.array([2])
    batch(m, 0, unknown, unknown, learned=FakeLearned(n_learned=3, n_ignored=1, no_interest=no_interest))
    live = m.live()
    assert (live["events_ignored"], live["events_no_interest"]) == (1, 1)
    assert live["served_hit_rate{k=10,source=slate}"] == 1 / 2
