"""Reading a topic to its end with a plain consumer, which has nothing to do with `stream_rec.bus.reader`."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from confluent_kafka import Message, TopicPartition

from stream_rec.bus.clients import reader
from stream_rec.bus.lag import ends
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings
from tests.waiting import wait_until

R = TypeVar("R", bound=msgspec.Struct)


def messages(bus: BusSettings, topic: TopicName) -> list[Message]:
    """All there is now, partition by partition in log order."""
    left = {partition: end for partition, end in ends(bus, topic).items() if end}
    consumer = reader(bus, {"auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(full_name(bus.prefix, topic), partition, 0) for partition in left])
    found: list[Message] = []

    def all_read() -> bool:
        for message in consumer.consume(1_000, 0.2):
            assert message.error() is None, message.error()
            found.append(message)
            if message.offset() + 1 >= left.get(message.partition(), 0):
                left.pop(message.partition(), None)
        return not left

    wait_until(all_read, 60, f"every message of {topic}")
    consumer.close()
    return sorted(found, key=lambda message: (message.partition(), message.offset()))


def records(bus: BusSettings, topic: TopicName, kind: type[R]) -> list[R]:
    """The same, decoded."""
    return [msgspec.json.decode(message.value(), type=kind) for message in messages(bus, topic)]
