"""`stream-rec doctor` finds what is wrong and says what to do."""

from __future__ import annotations

import json

import pytest
import redis
from confluent_kafka import Producer

from stream_rec.bus.topics import ensure_topics
from stream_rec.doctor import AREAS, Finding, examine
from stream_rec.settings import BusSettings, Settings, StoreSettings
from stream_rec.store.keys import Keys
from tests.cli.running import addresses, run


def findings(settings: Settings, area: str) -> list[Finding]:
    return [finding for where, finding in examine(settings) if where == area]


def publish(settings: Settings, partitioner: str, n: int) -> None:
    producer = Producer({"bootstrap.servers": settings.bus.bootstrap, "partitioner": partitioner})
    for number in range(n):
        producer.produce(f"{settings.bus.prefix}events", b"{}", key=f"user-{number}")
    assert producer.flush(30) == 0


def test_without_addresses_it_tries_the_embedded_servers() -> None:
    shown = run("doctor", "--json")
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    assert {finding["area"] for finding in found} == set(AREAS)
    assert any("embedded broker starts" in finding["what"] for finding in found)
    (redis,) = [finding for finding in found if "embedded Redis" in finding["what"]]
    assert (redis["status"], redis["fix"]) == ("warn", "set store.url")


def test_on_a_healthy_stack_only_the_worker_is_missing(settings: Settings) -> None:
    ensure_topics(settings.bus)
    publish(settings, "murmur2_random", 50)
    shown = run("doctor", "--json", environment=addresses(settings))
    assert shown.returncode == 0, shown.stdout
    wrong = [finding for finding in json.loads(shown.stdout) if finding["status"] != "ok"]
    assert {finding["fix"] for finding in wrong} == {
        "start a worker: `stream-rec worker`",
        "start one: `stream-rec worker`",
    }


def test_where_the_broker_names_no_members_redis_knows_the_workers(tansu_settings: Settings) -> None:
    """The embedded broker describes every group as empty."""
    ensure_topics(tansu_settings.bus)
    with redis.Redis.from_url(tansu_settings.store.url) as client:
        client.zadd(Keys(tansu_settings.store.prefix).workers, {"a": 1e9, "b": 1e9})
    (group,) = [f for f in findings(tansu_settings, "kafka") if f.what.startswith("group ")]
    assert group.status == "ok"
    assert ": 2 workers as Redis says" in group.what


def test_keys_on_wrong_partitions_are_found(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    publish(tansu_settings, "consistent_random", 50)
    (wrong,) = [f for f in findings(tansu_settings, "kafka") if f.status == "fail"]
    assert "of the last 50 records of events are on a wrong partition" in wrong.what
    assert "murmur2_random" in wrong.fix


def test_missing_topics_are_found_and_not_created(tansu_settings: Settings) -> None:
    for _ in range(2):
        (missing,) = [f for f in findings(tansu_settings, "kafka") if "no topic" in f.what]
        assert "worker" in missing.fix


@pytest.mark.parametrize(("area", "service"), [("kafka", "kafka"), ("redis", "redis")])
def test_a_server_that_is_away_is_a_finding_and_the_rest_is_still_looked_at(area: str, service: str) -> None:
    settings = Settings(
        bus=BusSettings(bootstrap="127.0.0.1:9", admin_timeout_seconds=1),
        store=StoreSettings(url="redis://127.0.0.1:9/0", timeout_seconds=1),
    )
    (finding,) = findings(settings, area)
    assert finding.status == "fail"
    assert f"{service} is unavailable" in finding.what
    assert finding.fix
