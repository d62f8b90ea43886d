"""Ends and lag, on both brokers: what an operator reads is what is there."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from stream_rec.bus.clients import admin, client_config, producer_config
from stream_rec.bus.lag import OffsetReader, ends, lag
from stream_rec.bus.topics import ensure_topics
from stream_rec.embedded.tansu import TansuServer
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.topics import FOLLOWED, TOPICS
from stream_rec.settings import BusSettings, Settings


@pytest.fixture
def bus(settings: Settings) -> BusSettings:
    ensure_topics(settings.bus)
    return settings.bus


@pytest.fixture
def producer(bus: BusSettings) -> Producer:
    return Producer({**producer_config(bus), "linger.ms": 50})


def write(producer: Producer, bus: BusSettings, n: int, partition: int = 0, size: int = 10) -> None:
    """Put n records on `events`, in as few batches as may be; returns when all are acknowledged."""
    for _ in range(n):
        producer.produce(f"{bus.prefix}events", b"x" * size, partition=partition)
    assert producer.flush(30) == 0


def commit(bus: BusSettings, offset: int, partition: int = 0) -> None:
    consumer = Consumer({**client_config(bus), "group.id": bus.group})
    consumer.commit(offsets=[TopicPartition(f"{bus.prefix}events", partition, offset)], asynchronous=False)
    consumer.close()


def test_the_end_counts_every_record_of_the_last_batch(producer: Producer, bus: BusSettings) -> None:
    write(producer, bus, 500)
    assert ends(bus, "events") == {0: 500, 1: 0, 2: 0, 3: 0}


def test_the_end_comes_after_a_last_record_of_5_mb(producer: Producer, bus: BusSettings) -> None:
    write(producer, bus, 1, size=5_000_000)
    assert ends(bus, "events")[0] == 1


def test_a_reader_asked_again_sees_what_was_written_in_between(producer: Producer, bus: BusSettings) -> None:
    reads = OffsetReader(bus)
    for written in (100, 200, 300):
        write(producer, bus, 100)
        assert reads.ends(["events"])["events", 0] == written


def test_a_group_that_committed_nothing_is_behind_by_all_that_is_kept(
    producer: Producer, bus: BusSettings
) -> None:
    write(producer, bus, 70, partition=1)
    (line,) = [line for line in lag(bus) if line.lag]
    assert line == ("events", 1, 0, 70, None, 70)


def test_a_group_is_behind_by_what_it_has_not_committed(producer: Producer, bus: BusSettings) -> None:
    write(producer, bus, 70)
    commit(bus, 30)
    assert lag(bus)[0] == ("events", 0, 0, 70, 30, 40)
    commit(bus, 70)
    assert lag(bus)[0].lag == 0


@pytest.mark.kafka
def test_records_that_were_deleted_are_not_counted(kafka: str, prefix: str) -> None:
    """A group that committed 10 of 100, of which 50 are gone, has 50 to read."""
    bus = BusSettings(bootstrap=kafka, prefix=prefix, group=f"{prefix}g")
    ensure_topics(bus)
    write(Producer(producer_config(bus)), bus, 100)
    commit(bus, 10)
    client = admin(bus)
    for future in client.delete_records([TopicPartition(f"{prefix}events", 0, 50)]).values():
        future.result()
    assert lag(bus)[0] == ("events", 0, 50, 100, 10, 50)


def test_each_group_has_its_own_lag(producer: Producer, bus: BusSettings) -> None:
    write(producer, bus, 70)
    commit(bus, 70)
    assert lag(bus, group="another")[0].lag == 70


def test_there_is_one_line_per_partition_that_workers_follow_in_order(bus: BusSettings) -> None:
    expected = [(name, partition) for name in FOLLOWED for partition in range(TOPICS[name].n_partitions(4))]
    assert [(line.topic, line.partition) for line in lag(bus)] == expected


def test_ends_are_read_while_others_write_and_are_at_least_as_new_as_the_question(
    producer: Producer, bus: BusSettings
) -> None:
    done = threading.Event()

    def write_on() -> None:
        mine = Producer(producer_config(bus))
        while not done.is_set():
            write(mine, bus, 50, partition=2)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        for _ in range(5):
            write(producer, bus, 10)
        assert ends(bus, "events")[0] == 50
    finally:
        done.set()
        writer.join()


def test_a_missing_topic_is_for_the_operator_to_fix(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"has no topic .*events(.|\n)*fix: start `stream-rec up`"):
        lag(settings.bus)


def test_many_partitions_all_answer(tansu: str, prefix: str) -> None:
    bus = BusSettings(bootstrap=tansu, prefix=prefix, partitions=200)
    ensure_topics(bus)
    producer = Producer(producer_config(bus))
    for partition in range(200):
        producer.produce(f"{prefix}events", b"x", partition=partition)
    assert producer.flush(30) == 0
    assert [line.end for line in lag(bus, names=["events"])] == [1] * 200


@pytest.fixture
def frozen() -> Iterator[BusSettings]:
    """A broker that has stopped to answer in the middle of its life."""
    with TansuServer.start() as broker:
        bus = BusSettings(bootstrap=broker.bootstrap, admin_timeout_seconds=0.5)
        ensure_topics(bus)
        os.kill(broker.pid, signal.SIGSTOP)
        yield bus


def test_a_broker_that_does_not_answer_in_time_is_unavailable(frozen: BusSettings) -> None:
    with pytest.raises(Unavailable, match="kafka is unavailable after"):
        lag(frozen)
