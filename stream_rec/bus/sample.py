"""The newest messages of any topic, to look at."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from stream_rec.bus.clients import reader, translated
from stream_rec.clock import SystemClock
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import BusSettings

WAIT_SECONDS = 10.0
"""For an answer about the topic, and"""
READ_SECONDS = 20.0
"""until the ends of all its partitions are read: then what came so far is the sample."""
_POLL_SECONDS = 0.5


class Sampled(NamedTuple):
    """A message as it lies on a topic, in the order of `shapes.messages.RawMessage`.

    Attributes:
        value: its bytes; None = a tombstone.
        key: its bytes.
        headers: by name, the last of each.
        timestamp: the broker's, ms since the epoch.
        topic: its topic.
        partition: of it.
        offset: in that.
    """

    value: bytes | None
    key: bytes | None
    headers: dict[str, bytes]
    timestamp: int
    topic: str
    partition: int
    offset: int


def sample(bus: BusSettings, topic: str, n: int) -> list[Sampled]:
    """The last messages of a topic, as many of each partition, by broker time.

    Args:
        bus: addresses.
        topic: its full name: no prefix is put before it.
        n: of all partitions together, about, at most.

    Raises:
        ConfigError: there is no such topic.
        Unavailable: the broker does not answer, or not in time with anything.
    """
    clock = SystemClock()
    began = clock.monotonic()
    with closing(reader(bus, {"enable.partition.eof": True})) as consumer:
        try:
            found = consumer.list_topics(topic, timeout=WAIT_SECONDS).topics.get(topic)
            if found is None or not found.partitions:
                raise ConfigError(
                    f"there is no topic {topic!r}", fix="name a topic of bus.bootstrap, or a file"
                )
            share = max(1, n // len(found.partitions))
            starts = []
            for partition in found.partitions:
                low, high = consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=WAIT_SECONDS
                )
                starts.append(TopicPartition(topic, partition, max(low, high - share)))
            consumer.assign(starts)
            # A query may answer with an end before the real one (docs/transport.md): read until there is no more.
            kept: dict[int, deque[Message]] = {each.partition: deque(maxlen=share) for each in starts}
            open_partitions, until = set(kept), clock.monotonic() + READ_SECONDS
            while open_partitions and clock.monotonic() < until:
                for each in consumer.consume(share, _POLL_SECONDS):
                    error = each.error()
                    if error is None:
                        kept[each.partition()].append(each)
                    elif error.code() == KafkaError._PARTITION_EOF:
                        open_partitions.discard(each.partition())
            messages = [each for partition in kept.values() for each in partition]
        except KafkaException as error:
            raise translated(error, bus, clock.monotonic() - began) from error
    if open_partitions and not messages:
        waited, places = clock.monotonic() - began, ", ".join(map(str, sorted(open_partitions)))
        raise Unavailable("kafka", f"{bus.bootstrap}: {topic}/{places} did not answer", waited_seconds=waited)
    sampled = [
        Sampled(
            each.value(),
            each.key(),
            dict(each.headers() or ()),
            each.timestamp()[1],
            topic,
            each.partition(),
            each.offset(),
        )
        for each in messages
    ]
    return sorted(sampled, key=lambda each: (each.timestamp, each.partition, each.offset))
