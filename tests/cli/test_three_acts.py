"""A user's three acts, with plain clients only: publish, read, watch lag. The command line says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from stream_rec.embedded.worker import WorkerProcess
from stream_rec.settings import Settings
from tests.cli.running import addresses, run
from tests.waiting import wait_until


@pytest.fixture
def worker(settings: Settings) -> Iterator[Settings]:
    """A worker on the test's servers."""
    own = {"bus.prefix": settings.bus.prefix, "bus.group": settings.bus.group, "engine.max_users": 10_000}
    process = WorkerProcess(
        settings, [part for key, value in own.items() for part in ("--set", f"{key}={value}")]
    )
    process.wait_until_ready()
    yield settings
    assert process.stop() == 0


def publish(settings: Settings, events: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """With plain confluent-kafka; (partition, offset) of each event."""
    producer = Producer({"bootstrap.servers": settings.bus.bootstrap, "partitioner": "murmur2_random"})
    acks: dict[int, tuple[int, int]] = {}

    def acknowledged(number: int, error: KafkaError | None, message: Message) -> None:
        assert error is None
        acks[number] = (message.partition(), message.offset())

    for number, event in enumerate(events):
        producer.produce(
            f"{settings.bus.prefix}events",
            json.dumps(event).encode(),
            key=event["user_id"],
            on_delivery=lambda error, message, number=number: acknowledged(number, error, message),
        )
    assert producer.flush(30) == 0
    return [acks[number] for number in range(len(events))]


def test_publish_read_and_watch_lag(worker: Settings) -> None:
    users, items = ["ann", "bob", "cat"], [f"item-{n}" for n in range(12)]
    events = [
        {"user_id": users[n % 3], "item_id": items[n * n % 12], "event_type": "view", "ts": 1_700_000_000 + n}
        for n in range(60)
    ]
    acks = publish(worker, events)
    partition, offset = acks[-1]
    last_user = events[-1]["user_id"]

    with redis.Redis.from_url(worker.store.url) as client:

        def fresh() -> dict[str, Any] | None:
            slate = json.loads(client.get(f"rec:default:{last_user}") or b"null")
            known = slate["as_of"] if slate else {"partition": None, "offset": -1}
            return slate if known["partition"] == partition and known["offset"] >= offset else None

        slate = wait_until(fresh, what="a slate that knows the last event")
    assert slate["items"]
    shown = json.loads(run("recommend", last_user, "--json", environment=addresses(worker)).stdout)
    assert shown["slate"] == slate
    assert [item["item_id"] for item in shown["items"]] == [item["item_id"] for item in slate["items"]]

    ends = {p: max(o for q, o in acks if q == p) + 1 for p, _ in acks}
    topic = f"{worker.bus.prefix}events"
    consumer = Consumer({"bootstrap.servers": worker.bus.bootstrap, "group.id": worker.bus.group})

    def committed() -> dict[int, int]:
        asked = [TopicPartition(topic, p) for p in ends]
        return {at.partition: at.offset for at in consumer.committed(asked, timeout=10)}

    wait_until(lambda: committed() == ends, what="everything to be committed")
    consumer.close()
    lines = json.loads(run("lag", "--json", "--interval", "0.1", environment=addresses(worker)).stdout)
    told = {
        line["partition"]: line for line in lines if line["topic"] == "events" and line["partition"] in ends
    }
    assert {p: line["end"] for p, line in told.items()} == ends
    assert {p: line["committed"] for p, line in told.items()} == ends
    assert all(line["lag"] == 0 for line in lines)
