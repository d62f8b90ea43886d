"""What is on a topic, read by a plain consumer."""

from __future__ import annotations

from confluent_kafka import Consumer, Message, TopicPartition

from stream_rec.bus.lag import ends
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings
from tests.waiting import wait_until


def messages(bus: BusSettings, name: TopicName) -> list[Message]:
    """All messages, partition by partition, each in order."""
    at = ends(bus, name)
    consumer = Consumer(
        {"bootstrap.servers": bus.bootstrap, "group.id": "test", "auto.offset.reset": "earliest"}
    )
    consumer.assign([TopicPartition(full_name(bus.prefix, name), partition, 0) for partition in at])
    read: list[Message] = []

    def all_read() -> bool:
        read.extend(message for message in consumer.consume(10_000, 0.2) if message.error() is None)
        return len(read) >= sum(at.values())

    wait_until(all_read, what=f"every message of {name}")
    consumer.close()
    return sorted(read, key=lambda message: (message.partition(), message.offset()))
