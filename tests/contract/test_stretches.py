"""Partitions read side by side: each in log order, in any order between them, and never much more than is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from confluent_kafka import Producer

from stream_rec.bus.stretches import Stretches, opened, read_through
from stream_rec.bus.topics import ensure_topics
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import BusSettings, Settings

N = 600
A, B = TopicPartition("events", 0), TopicPartition("events", 1)


@pytest.fixture
def bus(settings: Settings) -> BusSettings:
    """Two partitions with N records each: partition and offset."""
    bus = settings.bus.model_copy(update={"batch_max_records": 25})
    ensure_topics(bus)
    producer = Producer({"bootstrap.servers": bus.bootstrap})
    for offset in range(N):
        for partition in (0, 1):
            producer.produce(f"{bus.prefix}events", f"{partition}/{offset}", partition=partition)
    assert producer.flush(30) == 0
    return bus


def read(log: Stretches, tp: TopicPartition, until: int) -> list[str]:
    """All there is before an offset."""
    found: list[str] = []
    while (batch := log.take(tp, until)) is not None:
        assert len(batch) <= 25
        found += [value.decode() for value in batch.values if value is not None]
    return found


def expected(tp: TopicPartition, begin: int, end: int) -> list[str]:
    return [f"{tp.partition}/{offset}" for offset in range(begin, end)]


def test_stretches_come_as_they_are_asked_for(bus: BusSettings) -> None:
    rng = np.random.default_rng(1)
    at = {A: 0, B: 100}
    with opened(bus, {A: (0, N), B: (100, N - 50)}) as log:
        while at != {A: N, B: N - 50}:
            tp = (A, B)[rng.integers(2)]
            until = min(at[tp] + int(rng.integers(1, 90)), N if tp == A else N - 50)
            assert read(log, tp, until) == expected(tp, at[tp], until)
            at[tp] = until
        assert log.head(A) is None
        assert log.head(B) is None


def test_what_is_asked_for_late_waits_within_a_bound(bus: BusSettings) -> None:
    with opened(bus, {A: (0, N), B: (0, N)}) as log:
        assert read(log, A, N) == expected(A, 0, N)
        assert len(log._streams[B].records) <= 8 * 25 + 2 * 25
        assert read(log, B, N) == expected(B, 0, N)


def test_a_batch_ends_before_the_first_record_that_is_refused(bus: BusSettings) -> None:
    with opened(bus, {A: (0, N)}) as log:
        batch = log.take(A, N, lambda _, offset: offset < 7)
        assert batch is not None
        assert (batch.start, batch.next, len(batch)) == (0, 7, 7)
        head = log.head(A)
        assert head is not None
        assert head[1] == 7


def test_an_empty_stretch_is_used_up(bus: BusSettings) -> None:
    with opened(bus, {A: (5, 5)}) as log:
        assert log.take(A, 100) is None
        assert log.head(A) is None


def test_read_through_gives_every_stretch_whole_and_in_order(bus: BusSettings) -> None:
    found: dict[TopicPartition, list[str]] = {A: [], B: []}
    for batch in read_through(bus, {A: (10, N), B: (100, N - 50), TopicPartition("events", 2): (0, 0)}):
        found[batch.tp] += [value.decode() for value in batch.values if value is not None]
    assert found == {A: expected(A, 10, N), B: expected(B, 100, N - 50)}


@pytest.mark.kafka
def test_a_stretch_ends_where_an_open_transaction_begins(kafka: str, prefix: str) -> None:
    """What is not committed cannot be read; waiting for it would be waiting for another's program."""
    bus = BusSettings(bootstrap=kafka, prefix=prefix, admin_timeout_seconds=5.0)
    ensure_topics(bus)
    plain = Producer({"bootstrap.servers": kafka})
    plain.produce(f"{prefix}events", b"before", partition=0)
    assert plain.flush(30) == 0
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": prefix})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(f"{prefix}events", b"within", partition=0)
    producer.flush(30)
    assert [batch.values for batch in read_through(bus, {A: (0, 2)}) if batch.values] == [[b"before"]]
    producer.abort_transaction(30)
