"""The benches of the whole stack, on few events: what they count is right; how fast it was is not judged here."""

from __future__ import annotations

import json

import redis

from producers.publisher import Publisher
from schemas.records import Interaction
from stream_rec.bench import freshness, pipeline
from stream_rec.bench.bench_log import PLAN, BenchLog
from stream_rec.bench.verify import verify
from stream_rec.bus.topics import ensure_topics
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


def test_freshness_has_a_floor_without_an_engine() -> None:
    figures = freshness.measure(Settings(), log(6_000), 1000.0, freshness.FLOOR_WORKER, preload=1_000)
    assert figures["watched"] > 0
    assert figures["not_seen"] == 0
    assert figures["p99_ms"] >= figures["p50_ms"] > 0
