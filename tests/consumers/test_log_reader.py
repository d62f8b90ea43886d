"""Learning a stretch of the log that others have served: all of it, in order, and nothing behind its end."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from consumers.catch_up import CatchUp, Stretch
from faust.types import TP

from stream_rec.bus.fetched import Fetched
from stream_rec.settings import BusSettings, Settings


@dataclass
class Reading:
    """What catching up handed over."""

    batches: dict[int, list[Fetched]] = field(default_factory=dict)
    finished: list[int] = field(default_factory=list)

    def values(self, partition: int) -> list[bytes | None]:
        return [value for batch in self.batches[partition] for value in batch.values]


def catch_up(bus: BusSettings, topic: str, stretches: dict[int, Stretch]) -> Reading:
    reading = Reading()

    async def learn(batch: Fetched) -> None:
        reading.batches.setdefault(batch.partition, []).append(batch)

    asyncio.run(
        CatchUp(bus).read(
            {TP(topic, partition): stretch for partition, stretch in stretches.items()},
            learn,
            lambda tp: reading.finished.append(tp.partition),
        )
    )
    for batches in reading.batches.values():
        for earlier, later in itertools.pairwise(batches):
            assert earlier.next == later.start
    return reading


def make_topic(bus: BusSettings) -> str:
    """A topic of two partitions with 2,000 records each: partition and offset."""
    name = f"{bus.prefix}stretch"
    admin = AdminClient({"bootstrap.servers": bus.bootstrap})
    for future in admin.create_topics([NewTopic(name, 2, 1)]).values():
        future.result()
    producer = Producer({"bootstrap.servers": bus.bootstrap})
    for offset in range(2_000):
        for partition in (0, 1):
            producer.produce(name, f"{partition}/{offset}", partition=partition)
    assert producer.flush(30) == 0
    return name


@pytest.fixture
def topic(settings: Settings) -> str:
    return make_topic(settings.bus)


def test_every_record_of_the_stretches_comes_once_and_in_order(settings: Settings, topic: str) -> None:
    reading = catch_up(settings.bus, topic, {0: Stretch(500, 1_700), 1: Stretch(None, 1_000)})
    assert reading.values(0) == [f"0/{offset}".encode() for offset in range(500, 1_700)]
    assert reading.values(1) == [f"1/{offset}".encode() for offset in range(1_000)]
    assert (reading.batches[0][0].start, reading.batches[0][-1].next) == (500, 1_700)
    assert (reading.batches[1][0].start, reading.batches[1][-1].next) == (0, 1_000)
    assert sorted(reading.finished) == [0, 1]


def test_a_stretch_past_the_end_of_the_log_ends_there(settings: Settings, topic: str) -> None:
    reading = catch_up(settings.bus, topic, {0: Stretch(1_990, 9_999)})
    assert reading.values(0) == [f"0/{offset}".encode() for offset in range(1_990, 2_000)]
    assert reading.batches[0][-1].next == 2_000


@pytest.mark.kafka
def test_what_a_transaction_left_behind_at_the_end_is_inside(kafka: str, prefix: str) -> None:
    """The end marker of a transaction takes an offset and is no record."""
    bus = BusSettings(bootstrap=kafka, prefix=prefix)
    topic = make_topic(bus)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"taken back", partition=0)
    producer.flush(30)
    producer.abort_transaction(30)
    reading = catch_up(bus, topic, {0: Stretch(1_999, 2_002)})
    assert reading.values(0) == [b"0/1999"]
    assert reading.batches[0][-1].next == 2_002
