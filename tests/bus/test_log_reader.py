"""Reading with explicit offsets: every record once and in order, and what is gone is told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from faust.types import TP

from stream_rec.bus.log_reader import LogReader, Read, Start
from stream_rec.errors import ConfigError
from stream_rec.settings import BusSettings, Settings
from tests.waiting import wait_until

N = 2_000


@pytest.fixture
def topic(settings: Settings) -> str:
    return make_topic(settings.bus)


@pytest.fixture
def reader(settings: Settings) -> Iterator[LogReader]:
    with closing(LogReader(settings.bus)) as made:
        yield made


def make_topic(bus: BusSettings) -> str:
    """A topic of two partitions with N records each: partition and offset."""
    name = f"{bus.prefix}log"
    admin = AdminClient({"bootstrap.servers": bus.bootstrap})
    for future in admin.create_topics([NewTopic(name, 2, 1)]).values():
        future.result()
    producer = Producer({"bootstrap.servers": bus.bootstrap})
    for offset in range(N):
        for partition in (0, 1):
            producer.produce(name, f"{partition}/{offset}", partition=partition)
    assert producer.flush(30) == 0
    return name


def read_until(reader: LogReader, ends: dict[int, int]) -> dict[int, list[Read]]:
    """Read until each partition is there; batches of one partition follow each other without a gap."""
    reads: dict[int, list[Read]] = {partition: [] for partition in ends}

    def is_there() -> bool:
        for read in reader.read():
            reads[read.batch.partition].append(read)
        return all(found and found[-1].batch.next >= ends[p] for p, found in reads.items())

    wait_until(is_there, 30, "the ends")
    for found in reads.values():
        for earlier, later in itertools.pairwise(found):
            assert earlier.batch.next == later.batch.start
    return reads


def values(reads: list[Read]) -> list[bytes | None]:
    return [value for read in reads for value in read.batch.values]


def test_every_record_comes_once_and_in_order_from_where_it_was_begun(reader: LogReader, topic: str) -> None:
    reader.begin({TP(topic, 0): Start(3, 500), TP(topic, 1): Start(4, None)})
    reads = read_until(reader, {0: N, 1: N})
    assert values(reads[0]) == [f"0/{offset}".encode() for offset in range(500, N)]
    assert values(reads[1]) == [f"1/{offset}".encode() for offset in range(N)]
    assert (reads[0][0].batch.start, reads[1][0].batch.start) == (500, 0)
    assert ({read.batch.epoch for read in reads[0]}, {read.batch.epoch for read in reads[1]}) == ({3}, {4})
    wait_until(lambda: reader.read() == [] and reader.ends() == {TP(topic, 0): N, TP(topic, 1): N})


def test_begun_anew_and_further_back_it_reads_from_there(reader: LogReader, topic: str) -> None:
    """What the client had fetched ahead for the earlier beginning does not come."""
    for start in (0, 300, 100, 0, 50):
        reader.begin({TP(topic, 0): Start(0, start), TP(topic, 1): Start(0, start)})
        reads = read_until(reader, {0: start + 200, 1: start + 200})
        for partition, found in reads.items():
            assert values(found)[:200] == [f"{partition}/{o}".encode() for o in range(start, start + 200)]


def test_a_partition_that_is_left_comes_no_more(reader: LogReader, topic: str) -> None:
    reader.begin({TP(topic, 0): Start(0, 0), TP(topic, 1): Start(0, 0)})
    reader.read()
    reader.leave([TP(topic, 0)])
    reads = read_until(reader, {1: N})
    assert set(reads) == {1}


def test_the_end_is_told_and_an_empty_partition_is_at_its_end(settings: Settings) -> None:
    name = f"{settings.bus.prefix}empty"
    admin = AdminClient({"bootstrap.servers": settings.bus.bootstrap})
    for future in admin.create_topics([NewTopic(name, 1, 1)]).values():
        future.result()
    with closing(LogReader(settings.bus)) as reader:
        reader.begin({TP(name, 0): Start(0, None)})
        (read,) = wait_until(reader.read, 30, "the end")
    assert (read.batch.start, read.batch.next, len(read.batch), read.at_end) == (0, 0, 0, True)


def test_a_round_is_bounded_in_records_and_bytes(settings: Settings, topic: str) -> None:
    few = settings.bus.model_copy(update={"follow_ahead_records": 300})
    small = settings.bus.model_copy(update={"follow_ahead_bytes": 1_024})
    for bus, most in ((few, 300), (small, 500)):
        with closing(LogReader(bus)) as reader:
            reader.begin({TP(topic, 0): Start(0, 0)})
            for _ in range(8):
                assert sum(len(read.batch) for read in reader.read()) <= most


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
    with closing(LogReader(bus)) as reader:
        reader.begin({TP(topic, 0): Start(0, N - 1)})
        reads = read_until(reader, {0: N + 2})
    assert values(reads[0]) == [f"0/{N - 1}".encode()]


@pytest.mark.kafka
def test_records_that_were_deleted_are_told_and_reading_goes_on_behind_them(kafka: str, prefix: str) -> None:
    """At the start, and while the reader was busy elsewhere; the other partition goes on as if nothing were."""
    bus = BusSettings(bootstrap=kafka, prefix=prefix)
    topic = make_topic(bus)
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.delete_records([TopicPartition(topic, 0, 700)]).values():
        future.result()
    with closing(LogReader(bus)) as reader:
        reader.begin({TP(topic, 0): Start(0, 3), TP(topic, 1): Start(0, 0)})
        reads = read_until(reader, {0: N, 1: N})
        gone = [(read.batch.start, read.batch.next) for read in reads[0] if read.is_gone]
        assert gone == [(3, 700)]
        assert values(reads[0]) == [f"0/{offset}".encode() for offset in range(700, N)]
        assert values(reads[1]) == [f"1/{offset}".encode() for offset in range(N)]


@pytest.mark.kafka
def test_a_log_that_ends_before_what_was_learned_is_another_log(kafka: str, prefix: str) -> None:
    bus = BusSettings(bootstrap=kafka, prefix=prefix)
    topic = make_topic(bus)
    with closing(LogReader(bus)) as reader, pytest.raises(ConfigError, match="another log"):
        reader.begin({TP(topic, 0): Start(0, N + 5)})
        wait_until(reader.read, 30, "an error")
