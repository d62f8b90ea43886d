"""The benches of the whole stack, on few events: what they count is right; how fast it was is not judged here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import redis

from stream_rec.bench import freshness, pipeline, pipeline_trials, scale, start, two_workers
from stream_rec.bench.bench_log import PLAN, BenchLog
from stream_rec.bench.verify import verify
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.producers.simulate.simulator import simulated_log
from stream_rec.schemas.experiment_check import experiment_of
from stream_rec.schemas.records import Interaction
from stream_rec.settings import DataSettings, Settings


def log(n_events: int) -> BenchLog:
    """Simulated, whatever data there is."""
    return BenchLog.first(n_events, DataSettings())


def write_slate(settings: Settings, user: str, partition: int, offset: int) -> None:
    as_of = {"log": "L", "partition": partition, "offset": offset, "broker_ts": 0, "event_ts": 0.0}
    with redis.Redis.from_url(settings.store.url) as client:
        client.set(f"rec:default:{user}", json.dumps({"as_of": as_of}))


def test_without_data_the_events_are_simulated_and_named_so() -> None:
    found = log(500)
    assert found.name == f"simulate, seed {PLAN.seed}"
    assert len(found.interactions()) == 500


def test_a_user_is_behind_without_a_slate_and_with_one_that_misses_the_last_event(
    tansu_settings: Settings,
) -> None:
    ensure_topics(tansu_settings.bus)
    with Publisher(tansu_settings.bus) as publisher:
        users = ["fresh", "stale", "none", "fresh", "stale"]
        acks = [publisher.publish(Interaction(user, "i", "view", 1.7e9)) for user in users]
    last = dict(zip(users, acks, strict=True))
    write_slate(tansu_settings, "fresh", last["fresh"].partition, last["fresh"].offset)
    write_slate(tansu_settings, "stale", last["stale"].partition, last["stale"].offset - 1)
    found = verify(tansu_settings)
    assert (found.n_events, found.n_users, found.n_behind) == (5, 3, 2)
    assert found.committed_lag == 5


def test_the_pipeline_handles_every_event_and_plain_faust_sees_as_many() -> None:
    settings = pipeline.own_partitions(Settings())
    events = log(2_000)
    ours = pipeline.run_ours(settings, events)
    assert ours["events"] == 2_000
    assert ours["lost"] == 0
    assert ours["committed_lag"] == 0
    assert ours["exit_code"] == 0
    assert 0 < ours["slates_per_event"] <= 1
    assert ours["fresh_share"] > 0.01
    assert pipeline.run_plain(settings, events)["events"] == 2_000


def test_with_experiments_and_exploration_the_pipeline_loses_nothing_either() -> None:
    settings = pipeline.own_partitions(Settings())
    trials = pipeline_trials.decisions(SystemClock().now())
    ours = pipeline.run_ours(settings, log(1_000), trials)
    assert (ours["events"], ours["lost"], ours["committed_lag"], ours["exit_code"]) == (1_000, 0, 0, 0)
    experiments = [each.body for each in trials if each.kind == "experiment"]
    assert [experiment_of(body).is_live for body in experiments] == [True, True]


def test_what_trials_cost_is_the_median_of_the_rounds() -> None:
    without = [{"events_per_s": rate, "lost": 0.0, "committed_lag": 0.0} for rate in (100.0, 200.0, 300.0)]
    trials = [
        {"events_per_s": rate, "lost": lost, "committed_lag": 0.0}
        for rate, lost in ((90, 0), (190, 2), (240, 0))
    ]
    figures = pipeline_trials.summary(without, trials)
    assert (figures["trials_ratio"], figures["events_per_s"]) == (pytest.approx(0.9), 200.0)
    assert (figures["trials_events_per_s"], figures["lost"]) == (190, 2)


def test_freshness_has_a_floor_without_an_engine() -> None:
    figures = freshness.measure(Settings(), log(6_000), 1000.0, freshness.FLOOR_WORKER, preload=1_000)
    assert figures["watched"] > 0
    assert figures["not_seen"] == 0
    assert figures["p99_ms"] >= figures["p50_ms"] > 0


def test_three_workers_cost_what_the_formula_makes_of_one_and_two() -> None:
    runs = {"1 worker": 100.0, "2 workers": 130.0, "3 workers": 150.0}
    more = {"idle_us_per_s": 5_000.0, "behind": 3.0}
    results = {
        name: [{"cpu_us": cpu, "backlog_s": 600 / cpu, **more} for cpu in (cpu_us, cpu_us)]
        for name, cpu_us in runs.items()
    }
    figures = scale.summary(results)
    assert (figures["l_us"], figures["r_us"], figures["predicted_us_w3"]) == (30, 70, 160)
    assert figures["prediction_error"] == pytest.approx(1 / 15)
    assert (figures["wall_ratio"], figures["wall_ratio_w3"]) == (pytest.approx(1.3), pytest.approx(1.5))


def test_events_in_lots_come_at_the_rate_all_the_same() -> None:
    due = [scale.InLots(100.0).due(n, 0.0) for n in (0, 24, 25, 49, 50, 1_000)]
    assert due == [0.0, 0.0, 0.25, 0.25, 0.5, 10.0]


def test_two_workers_are_measured_at_a_rate_that_both_can_do() -> None:
    plan = scale.Plan(500.0, 2.0, preload=1_000, settle_seconds=1.0, idle_seconds=1.0, backlog=1_000)
    figures = scale.measure(scale.own_partitions(Settings()), log(plan.events), 2, plan)
    assert figures["cpu_us"] > 0
    assert figures["idle_us_per_s"] > 0
    assert figures["backlog_s"] > 0


def test_one_and_two_workers_are_asked_about_the_same_events() -> None:
    settings = two_workers.own_partitions(Settings())
    # Few items, so that some are foreseen whatever order the partitions are learned in.
    few = replace(PLAN, n_users=300, n_items=60, n_categories=6, events_per_second=3.0)
    events = BenchLog("few items", simulated_log(few, 3_000))
    one = two_workers.measure(settings, events, 1, 3_000.0)
    two = two_workers.measure(settings, events, 2, 3_000.0)
    assert one["asked"] == two["asked"] > 50
    assert one["lost"] == two["lost"] == 0
    assert 0 < one["hit_rate"] < 1


def test_a_worker_starts_from_the_snapshot_and_learns_the_tail() -> None:
    figures = start.run(Settings(), lambda _: None, head=3_000, tail=1_000, repeats=1)
    assert (figures["head_events"], figures["tail_events"]) == (3_000, 1_000)
    assert figures["ready_s"] > 0
