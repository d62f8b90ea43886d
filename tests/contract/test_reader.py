"""The one consume loop, on both brokers: every record once and in order, and whatever happens to a log is told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from stream_rec.bus import reader as reader_module
from stream_rec.bus.naming import on_bus
from stream_rec.bus.reader import Fetching, Read, Reader, Start
from stream_rec.errors import ConfigError
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import BusSettings, Settings
from tests.waiting import wait_until

N = 2_000
A, B = TopicPartition("events", 0), TopicPartition("events", 1)
IMPATIENT = Fetching(4_000, 1 << 20, wait_seconds=0.02)
FEW = Fetching(100, 1 << 20)
"""One read of a quick broker would hold all that there is."""


@pytest.fixture
def bus(settings: Settings) -> BusSettings:
    """Two partitions with N records each."""
    make_topic(settings.bus)
    return settings.bus


@pytest.fixture
def kafka_bus(kafka: str, prefix: str) -> BusSettings:
    """The same, on Apache Kafka alone."""
    bus = BusSettings(bootstrap=kafka, prefix=prefix)
    make_topic(bus)
    return bus


@pytest.fixture
def reader(bus: BusSettings) -> Iterator[Reader]:
    with closing(Reader(bus)) as made:
        yield made


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Consumer]:
    """Every client that readers of this test have made."""
    made: list[Consumer] = []
    connect = reader_module.reader
    monkeypatch.setattr(reader_module, "reader", lambda *args: made.append(connect(*args)) or made[-1])
    return made


def make_topic(bus: BusSettings, n: int = N, **config: str) -> None:
    name = f"{bus.prefix}events"
    admin = AdminClient({"bootstrap.servers": bus.bootstrap})
    for future in admin.create_topics([NewTopic(name, 2, 1, config=config)]).values():
        future.result()
    write(bus, n)


def delete_topic(bus: BusSettings) -> None:
    name = f"{bus.prefix}events"
    admin = AdminClient({"bootstrap.servers": bus.bootstrap})
    admin.delete_topics([name])[name].result()
    wait_until(lambda: name not in admin.list_topics(timeout=5).topics, 10, "the topic to be gone")


def write(bus: BusSettings, n: int) -> None:
    """N records to each partition: partition and number."""
    producer = Producer({"bootstrap.servers": bus.bootstrap, "enable.idempotence": True})  # retries: once
    for number in range(n):
        for partition in (0, 1):
            producer.produce(f"{bus.prefix}events", f"{partition}/{number}", partition=partition)
    assert producer.flush(30) == 0


def transaction(bus: BusSettings) -> Producer:
    """A producer with a transaction open."""
    producer = Producer({"bootstrap.servers": bus.bootstrap, "transactional.id": bus.prefix})
    producer.init_transactions(30)
    producer.begin_transaction()
    return producer


def read_until(reader: Reader, ends: dict[TopicPartition, int]) -> dict[TopicPartition, list[Read]]:
    """Read until each partition is there; batches of one partition follow each other without a gap."""
    reads: dict[TopicPartition, list[Read]] = {tp: [] for tp in ends}

    def is_there() -> bool:
        for read in reader.read():  # of others there may be an end that was not told yet
            reads.setdefault(read.batch.tp, []).append(read)
        return all(reads[tp] and reads[tp][-1].batch.next >= end for tp, end in ends.items())

    wait_until(is_there, 30, "the ends")
    for found in reads.values():
        for earlier, later in itertools.pairwise(found):
            assert earlier.batch.next == later.batch.start
    return reads


def values(reads: list[Read]) -> list[bytes | None]:
    return [value for read in reads for value in read.batch.values]


def expected(tp: TopicPartition, begin: int, end: int = N) -> list[bytes]:
    return [f"{tp.partition}/{number}".encode() for number in range(begin, end)]


def test_every_record_comes_once_and_in_order_from_where_it_was_begun(reader: Reader) -> None:
    reader.begin({A: Start(500, 3), B: Start(None, 4)})
    reads = read_until(reader, {A: N, B: N})
    assert values(reads[A]) == expected(A, 500)
    assert values(reads[B]) == expected(B, 0)
    assert (reads[A][0].batch.start, reads[B][0].batch.start) == (500, 0)
    assert ({read.batch.epoch for read in reads[A]}, {read.batch.epoch for read in reads[B]}) == ({3}, {4})
    wait_until(lambda: reader.read() == [] and reader.ends() == {A: N, B: N})


def test_what_is_written_later_comes_too(bus: BusSettings, reader: Reader) -> None:
    reader.begin({A: Start(N)})
    read_until(reader, {A: N})
    write(bus, 10)
    assert values(read_until(reader, {A: N + 10})[A]) == expected(A, 0, 10)


def test_begun_anew_and_further_back_it_reads_from_there(reader: Reader) -> None:
    """What the client had fetched ahead for the earlier beginning does not come."""
    for start in (0, 300, 100, 0, 50):
        reader.begin({A: Start(start), B: Start(start)})
        reads = read_until(reader, {A: start + 200, B: start + 200})
        for tp, found in reads.items():
            assert values(found)[:200] == expected(tp, start, start + 200)


def test_a_partition_that_is_left_comes_no_more(bus: BusSettings) -> None:
    with closing(Reader(bus, FEW)) as reader:
        reader.begin({A: Start(0), B: Start(0)})
        reader.read()
        reader.leave([A, TopicPartition("events", 7)])
        assert set(read_until(reader, {B: N})) == {B}


def test_a_paused_partition_waits_and_goes_on_where_it_was(bus: BusSettings) -> None:
    with closing(Reader(bus, FEW)) as reader:
        reader.begin({A: Start(0), B: Start(0)})
        reader.pause(A)
        reader.pause(A)
        early: list[Read] = []

        def b_is_there() -> bool:
            reads = reader.read()
            early.extend(read for read in reads if read.batch.tp == A)
            return any(read.batch.tp == B and read.at_end for read in reads)

        wait_until(b_is_there, 30, "the end of the other")
        assert all(read == [] for read in (reader.read() for _ in range(3)))
        reader.resume(A)
        reader.resume(A)
        reads = early + read_until(reader, {A: N})[A]
    assert values(reads) == expected(A, 0)


def test_the_end_is_told_and_an_empty_partition_is_at_its_end(settings: Settings) -> None:
    make_topic(settings.bus, 0)
    with closing(Reader(settings.bus)) as reader:
        reader.begin({A: Start(None)})
        (read,) = wait_until(reader.read, 30, "the end")
    assert (read.batch.start, read.batch.next, len(read.batch), read.at_end) == (0, 0, 0, True)


@pytest.mark.parametrize("gather_seconds", [0.1, 0.0])
def test_a_read_is_bounded_in_records_and_bytes(bus: BusSettings, gather_seconds: float) -> None:
    for fetching, most in ((Fetching(300, 1 << 20), 300), (Fetching(4_000, 1_024), 500)):
        with closing(Reader(bus, replace(fetching, gather_seconds=gather_seconds))) as reader:
            reader.begin({A: Start(0)})
            for _ in range(8):
                assert sum(len(read.batch) for read in reader.read()) <= most


def test_a_reader_that_has_all_keeps_its_connection(bus: BusSettings, connections: list[Consumer]) -> None:
    with closing(Reader(bus, IMPATIENT)) as reader:
        reader.begin({A: Start(0), B: Start(N)})
        read_until(reader, {A: N, B: N})
        assert not any(len(read.batch) for _ in range(30) for read in reader.read())  # at most an end is told
    assert len(connections) == 1


def test_a_log_that_ends_before_the_position_is_another_log(bus: BusSettings) -> None:
    with closing(Reader(bus, IMPATIENT)) as reader, pytest.raises(ConfigError, match="deleted and recreated"):
        reader.begin({A: Start(N + 5), B: Start(N)})
        wait_until(lambda: bool(reader.read()) and False, 30, "an error")


def test_an_end_that_the_client_remembers_from_earlier_is_not_the_end(bus: BusSettings) -> None:
    """While a partition was somebody else's, the log went on; the client hears of it with the next fetch only."""
    with closing(Reader(bus, IMPATIENT)) as reader:
        reader.begin({A: Start(0), B: Start(0)})
        wait_until(lambda: reader.read() and reader.ends() == {A: N, B: N}, what="both ends")
        reader.begin({})
        write(bus, 100)
        for _ in range(5):
            reader.begin({A: Start(N + 100), B: Start(N + 100)})
            assert all(end == N + 100 for end in reader.ends().values())
            reader._fed_at -= 60  # it has waited for long
            reader.read()
        wait_until(lambda: reader.read() or reader.ends() == {A: N + 100, B: N + 100}, what="the new ends")


@pytest.mark.kafka
def test_a_log_that_is_recreated_while_it_is_read_is_another_log(kafka_bus: BusSettings) -> None:
    """Not so on the embedded broker: librdkafka ends the process there (docs/embedded.md)."""
    with closing(Reader(kafka_bus, IMPATIENT)) as reader:
        reader.begin({A: Start(0), B: Start(0)})
        read_until(reader, {A: N, B: N})
        delete_topic(kafka_bus)
        make_topic(kafka_bus, 10)
        with pytest.raises(ConfigError, match="deleted and recreated"):
            wait_until(lambda: bool(reader.read()) and False, 30, "an error")


@pytest.mark.kafka
def test_offsets_that_were_compacted_away_are_inside(kafka: str, prefix: str) -> None:
    bus = BusSettings(bootstrap=kafka, prefix=prefix)
    compacted = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"}
    make_topic(bus, 0, **compacted, **{"max.compaction.lag.ms": "200"})
    producer = Producer({"bootstrap.servers": kafka})

    def offsets() -> list[int]:
        producer.produce(
            f"{prefix}events", b"filler", b"filler", partition=0
        )  # an active segment is not compacted
        for number in range(5):
            producer.produce(f"{prefix}events", f"{number}", b"key", partition=0)
        assert producer.flush(30) == 0
        with closing(Reader(bus)) as reader:
            reader.begin({A: Start(0)})
            reads = read_until(reader, {A: 6})
        return [offset for read in reads[A] for offset in read.batch.offsets]

    wait_until(lambda: (found := offsets()) != list(range(found[0], found[0] + len(found))), 60, "a gap")


@pytest.mark.kafka
def test_what_a_transaction_left_behind_at_the_end_is_inside(kafka_bus: BusSettings) -> None:
    """Records that were taken back are no records, nor is the marker that says so."""
    producer = transaction(kafka_bus)
    producer.produce(f"{kafka_bus.prefix}events", b"taken back", partition=0)
    producer.flush(30)
    producer.abort_transaction(30)
    with closing(Reader(kafka_bus)) as reader:
        reader.begin({A: Start(N - 1)})
        reads = read_until(reader, {A: N + 2})
    assert values(reads[A]) == expected(A, N - 1)


@pytest.mark.kafka
def test_an_open_transaction_is_the_end_and_no_reason_for_a_new_connection(
    kafka_bus: BusSettings, connections: list[Consumer]
) -> None:
    """Until it is committed; records that others write meanwhile wait behind it."""
    producer = transaction(kafka_bus)
    producer.produce(f"{kafka_bus.prefix}events", b"within", partition=0)
    producer.flush(30)
    write(kafka_bus, 5)
    with closing(Reader(kafka_bus, IMPATIENT)) as reader:
        reader.begin({A: Start(N - 1), B: Start(N + 5)})
        reads = read_until(reader, {A: N, B: N + 5})
        assert values([read for _ in range(50) for read in reader.read()]) == []
        assert reader.ends()[A] == N + 6
        producer.commit_transaction(30)
        reads = read_until(reader, {A: N + 7})
    assert values(reads[A]) == [b"within", *expected(A, 0, 5)]
    assert len(connections) == 1


@pytest.mark.kafka
def test_records_that_were_deleted_are_told_and_reading_goes_on_behind_them(kafka_bus: BusSettings) -> None:
    """The other partition goes on as if nothing were."""
    admin = AdminClient({"bootstrap.servers": kafka_bus.bootstrap})
    for future in admin.delete_records([on_bus(kafka_bus.prefix, A, 700)]).values():
        future.result()
    with closing(Reader(kafka_bus)) as reader:
        reader.begin({A: Start(3), B: Start(0)})
        reads = read_until(reader, {A: N, B: N})
    assert [(read.batch.start, read.batch.next) for read in reads[A] if read.is_gone] == [(3, 700)]
    assert values(reads[A]) == expected(A, 700)
    assert values(reads[B]) == expected(B, 0)
