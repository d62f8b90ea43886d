"""`stream-rec lag` agrees with what plain Kafka clients wrote and committed."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from rich.console import Console

from stream_rec.bus.lag import PartitionLag
from stream_rec.bus.topics import ensure_topics
from stream_rec.cli.lag import table, with_rates
from stream_rec.settings import Settings
from tests.cli.running import addresses, clean_environment, run
from tests.consumers.bridge.bridging import clicks, make_topic, send
from tests.forked.process import start


def publish(settings: Settings, partition: int, n: int) -> None:
    producer = Producer({"bootstrap.servers": settings.bus.bootstrap})
    for _ in range(n):
        producer.produce(f"{settings.bus.prefix}events", b"{}", partition=partition)
    assert producer.flush(30) == 0


def commit(settings: Settings, partition: int, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": settings.bus.bootstrap, "group.id": settings.bus.group})
    at = TopicPartition(f"{settings.bus.prefix}events", partition, offset)
    consumer.commit(offsets=[at], asynchronous=False)
    consumer.close()


@pytest.fixture
def written(settings: Settings) -> Settings:
    """700 records on partition 1, of which 300 are committed; 5 on partition 2, none committed."""
    ensure_topics(settings.bus)
    publish(settings, 1, 700)
    publish(settings, 2, 5)
    commit(settings, 1, 300)
    return settings


def test_lag_agrees_with_plain_offsets(written: Settings) -> None:
    shown = run("lag", "--json", "--interval", "0.1", environment=addresses(written))
    assert shown.returncode == 0, shown.stderr
    lines = {(line["topic"], line["partition"]): line for line in json.loads(shown.stdout)}
    assert {name for name, _ in lines} == {"events", "items", "vectors", "impressions", "control"}
    assert lines["events", 0] == {
        "topic": "events",
        "partition": 0,
        "end": 0,
        "committed": None,
        "lag": 0,
        "in_per_s": 0.0,
        "done_per_s": 0.0,
    }
    first, second = lines["events", 1], lines["events", 2]
    assert (first["end"], first["committed"], first["lag"]) == (700, 300, 400)
    assert (second["end"], second["committed"], second["lag"]) == (5, None, 5)


def test_the_table_adds_up_the_lag(written: Settings) -> None:
    table = run("lag", "--interval", "0.1", environment=addresses(written)).stdout
    assert table.splitlines()[-1].split()[:2] == ["total", "405"]


def test_watch_goes_on_until_it_is_interrupted(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    watching = start(
        ["lag", "--watch", "--json", "--interval", "0.1"],
        env=clean_environment(**addresses(tansu_settings)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    readings = [json.loads(watching.stdout.readline()) for _ in range(2)]
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=30)
    assert watching.returncode == 0, errors
    assert all(line["lag"] == 0 for reading in readings for line in reading)


def test_rates_are_records_per_second_between_two_readings() -> None:
    before = [PartitionLag("events", 0, 0, 100, 40, 60), PartitionLag("events", 1, 0, 7, None, 7)]
    after = [PartitionLag("events", 0, 0, 300, 140, 160), PartitionLag("events", 1, 0, 7, 7, 0)]
    lines = with_rates(before, after, seconds=2.0)
    assert [(line["in_per_s"], line["done_per_s"]) for line in lines] == [(100.0, 50.0), (0.0, 0.0)]


def test_without_an_address_it_says_how_to_give_one() -> None:
    refused = run("lag")
    assert refused.returncode == 2
    assert "no Kafka address is set" in refused.stderr
    assert "stream-rec up" in refused.stderr


def test_a_broker_that_is_away_is_another_exit_code() -> None:
    refused = run("lag", "--set", "bus.bootstrap=127.0.0.1:9", "--set", "bus.admin_timeout_seconds=1")
    assert refused.returncode == 3
    assert "kafka is unavailable" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_table_fits_80_columns_with_offsets_in_the_billions() -> None:
    line = PartitionLag("impressions", 1_023, 0, 12_345_678_901, 12_345_000_000, 678_901)
    console = Console(width=80)
    with console.capture() as shown:
        console.print(table([*with_rates([line], [line], 1.0)]))
    lines = [one.rstrip() for one in shown.get().splitlines()]
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["topic", "part", "end", "committed", "lag", "in/s", "done/s"]
    assert "12,345,678,901 12,345,000,000 678,901" in lines[1]


def test_the_bridge_s_topics_stand_behind_ours(tansu_settings: Settings) -> None:
    """With the offsets of the bridge's own group."""
    bus = tansu_settings.bus
    ensure_topics(bus)
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop", 1)
    send(bus.bootstrap, topic, clicks(20))
    given = {
        **addresses(tansu_settings),
        "STREAM_REC__BRIDGE__INPUTS": f'{{a={{topic="{topic}",shape="native"}}}}',
    }
    shown = run("lag", "--json", "--interval", "0.1", environment=given)
    assert shown.returncode == 0, shown.stderr
    last = json.loads(shown.stdout)[-1]
    assert (last["topic"], last["end"], last["committed"], last["lag"]) == (topic, 20, None, 20)
