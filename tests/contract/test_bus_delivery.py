"""What the rest of the code takes for granted of a broker, on both of them."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from stream_rec.bus.clients import client_config, producer_config
from stream_rec.bus.topics import ensure_topics
from stream_rec.settings import BusSettings, Settings
from tests.waiting import wait_until

JAVA_HASHES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""From the tests of Kafka's own Java client."""


@pytest.fixture
def bus(settings: Settings) -> BusSettings:
    ensure_topics(settings.bus)
    return settings.bus


def publish(bus: BusSettings, records: list[tuple[bytes, bytes]]) -> list[Message]:
    """Key and value to `events`; the delivery reports, in the order they came."""
    reports: list[Message] = []
    producer = Producer(producer_config(bus))
    for key, value in records:
        producer.produce(
            f"{bus.prefix}events", value, key, on_delivery=lambda _, message: reports.append(message)
        )
    assert producer.flush(30) == 0
    return reports


def read(bus: BusSettings, n: int) -> list[Message]:
    """The next n records of the group, which commits them and leaves."""
    consumer = Consumer(
        {
            **client_config(bus),
            "group.id": bus.group,
            "session.timeout.ms": 6000,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    got: list[Message] = []
    consumer.subscribe([f"{bus.prefix}events"])

    def enough() -> bool:
        got.extend(consumer.consume(n - len(got), 0.2))
        return len(got) >= n

    wait_until(enough, 60, f"{n} records")
    consumer.commit(asynchronous=False)
    consumer.close()
    return got


def test_a_key_goes_to_the_partition_that_javas_client_would_choose(bus: BusSettings) -> None:
    reports = publish(bus, [(key, b"x") for key in JAVA_HASHES])
    assert {r.key(): r.partition() for r in reports} == {
        key: (hashed & 0x7FFFFFFF) % bus.partitions for key, hashed in JAVA_HASHES.items()
    }


def test_a_group_gets_every_record_in_its_partitions_order_and_goes_on_where_it_committed(
    bus: BusSettings,
) -> None:
    sent = [(f"user-{i % 40}".encode(), str(i).encode()) for i in range(2000)]
    reports = publish(bus, sent[:1500])
    first = read(bus, 1500)
    assert {(m.partition(), m.offset(), m.value()) for m in first} == {
        (r.partition(), r.offset(), r.value()) for r in reports
    }
    for partition in range(bus.partitions):
        offsets = [m.offset() for m in first if m.partition() == partition]
        assert offsets == list(range(len(offsets)))
    publish(bus, sent[1500:])
    assert sorted(int(m.value()) for m in read(bus, 500)) == list(range(1500, 2000))


def test_a_record_of_5_mb_goes_through(bus: BusSettings) -> None:
    (report,) = publish(bus, [(b"key", b"x" * 5_000_000)])
    assert report.error() is None


def test_a_record_over_the_limit_is_refused_at_once(bus: BusSettings) -> None:
    with pytest.raises(KafkaException) as raised:
        publish(bus, [(b"key", b"x" * (bus.max_message_bytes + 1))])
    assert raised.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE


def test_a_record_without_a_value_goes_through_as_such(bus: BusSettings) -> None:
    publish(bus, [(b"key", None)])  # type: ignore[list-item]
    (got,) = read(bus, 1)
    assert (got.key(), got.value()) == (b"key", None)
