"""Publishing as a user would: plain confluent-kafka, Java's partitioner."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from confluent_kafka import KafkaError, Message, Producer

from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import Interaction, TopicName
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings


@dataclass
class Published:
    """Where records went.

    Attributes:
        at: (partition, offset) of each, in the order they were sent.
        last: of the last one of each key.
    """

    at: list[tuple[int, int]] = field(default_factory=list)
    last: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.at)


def publish(
    bus: BusSettings,
    topic: TopicName,
    records: Iterable[tuple[bytes, bytes | None]],
    stamps: Sequence[int] | None = None,
) -> Published:
    """Send (key, value) pairs in order and wait for all of them; `stamps` are their timestamps, ms, else now."""
    producer = Producer(
        {
            "bootstrap.servers": bus.bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "message.max.bytes": 8_000_000,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    places: dict[int, tuple[int, int]] = {}
    keys = []

    def delivered(number: int, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        places[number] = (message.partition(), message.offset())

    for number, (key, value) in enumerate(records):
        keys.append(key.decode(errors="replace"))
        producer.produce(
            full_name(bus.prefix, topic),
            value,
            key,
            on_delivery=partial(delivered, number),
            timestamp=stamps[number] if stamps else 0,
        )
        producer.poll(0)
    assert producer.flush(60) == 0
    at = [places[number] for number in range(len(keys))]
    return Published(at, dict(zip(keys, at, strict=True)))


def clicks(n: int, *, seed: int = 1, users: int = 300, items: int = 200, first: int = 0) -> list[Interaction]:
    """N clicks of few users on few items, one a second of event time, as long ago as need be."""
    rng = random.Random(seed)
    return [
        Interaction(
            f"u{rng.randrange(users)}", f"i{rng.randrange(items)}", "click", 1_600_000_000.0 + first + i
        )
        for i in range(n)
    ]


def publish_events(bus: BusSettings, events: Sequence[Interaction]) -> Published:
    """Send events, keyed by user."""
    return publish(bus, "events", ((event.user_id.encode(), encode(event)) for event in events))
