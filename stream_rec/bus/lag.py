"""Where the log ends, and how far a group is behind it. Right on the embedded broker too.

Tansu answers ListOffsets(latest) with the base of the last *batch* + 1. That answer is only where to begin: a
fetch from there comes back with the partition's high watermark, which is the end on every broker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import NamedTuple, TypeVar

from confluent_kafka import (
    OFFSET_INVALID,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from stream_rec.bus.clients import admin, passes, reader, translated
from stream_rec.bus.topics import missing_topics, partition_counts
from stream_rec.errors import Unavailable
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import FOLLOWED, full_name, short_name
from stream_rec.settings import BusSettings

T = TypeVar("T")

_FETCH = {
    # One small answer per broker is enough: the watermark is wanted, not the records.
    "fetch.wait.max.ms": 5,
    "fetch.message.max.bytes": 1,
    "queued.min.messages": 1,
    "auto.offset.reset": "latest",
    "enable.partition.eof": True,
    "fetch.queue.backoff.ms": 1,  # a queue with one record counts as full, and would stop fetching for 1 s
}
_CONSUME = 10_000
_CONSUME_SECONDS = 0.01
_AGAIN_SECONDS = 0.05
_SHORTEST_SECONDS = 0.1  # librdkafka refuses a timeout of nothing


class PartitionLag(NamedTuple):
    """How far a group is behind the end of one partition.

    Attributes:
        topic: without the tenant's prefix.
        partition: of that topic.
        start: the first offset that is still kept.
        end: the next offset to be written.
        committed: the next offset the group will handle; None = it has committed nothing.
        lag: records between `committed` (or `start`) and `end`, never negative. Offsets are counted, so gaps
            left by compaction count too, as in every lag tool.
    """

    topic: TopicName
    partition: int
    start: int
    end: int
    committed: int | None
    lag: int


class OffsetReader:
    """Reads ends and a group's committed offsets without joining it. Keep it to ask again (`--watch`).

    Every call is bounded by `bus.admin_timeout_seconds`. Not thread-safe.

    Raises (all methods):
        ConfigError: a topic is missing, or security is wrong.
        Unavailable: not every partition answered in time.
    """

    def __init__(self, bus: BusSettings, group: str = "") -> None:
        """`group` is by default the workers'."""
        self._bus = bus
        self._group = group or bus.group
        self._admin: AdminClient = admin(bus)

    def ends(self, names: Collection[TopicName] = FOLLOWED) -> dict[tuple[TopicName, int], int]:
        """The next offset to be written, by topic and partition. At least as new as the call."""
        return self._asked(lambda deadline: self._ends(self._partitions(names), deadline))

    def starts(self, names: Collection[TopicName] = FOLLOWED) -> dict[tuple[TopicName, int], int]:
        """The first offset that is still kept, by topic and partition.

        The leaders themselves answer, so whoever has the answer knows that they serve. (Metadata names the leader of a
        new partition a moment before it does.)
        """
        return self._asked(
            lambda deadline: self._listed(self._partitions(names), OffsetSpec.earliest(), deadline)
        )

    def bounds(self, names: Collection[TopicName] = FOLLOWED) -> dict[tuple[TopicName, int], tuple[int, int]]:
        """The first offset that is still kept and the next to be written, by topic and partition."""

        def question(deadline: float) -> dict[tuple[TopicName, int], tuple[int, int]]:
            partitions = self._partitions(names)
            starts = self._listed(partitions, OffsetSpec.earliest(), deadline)
            ends = self._ends(partitions, deadline)
            return {at: (starts[at], ends[at]) for at in partitions}

        return self._asked(question)

    def lag(self, names: Collection[TopicName] = FOLLOWED) -> list[PartitionLag]:
        """How far the group is behind, one line per partition, in the order of `names`.

        Committed offsets are read before the ends: a lag is never understated by what was written between.
        """
        return self._asked(lambda deadline: self._lag(names, deadline))

    def _lag(self, names: Collection[TopicName], deadline: float) -> list[PartitionLag]:
        partitions = self._partitions(names)
        starts = self._listed(partitions, OffsetSpec.earliest(), deadline)
        committed = self._committed(partitions, deadline)
        ends = self._ends(partitions, deadline)
        return [_line(at, starts[at], ends[at], committed[at]) for at in partitions]

    def _partitions(self, names: Collection[TopicName]) -> list[tuple[TopicName, int]]:
        counts = partition_counts(self._bus, names, client=self._admin)
        if missing := [name for name in names if name not in counts]:
            raise missing_topics(self._bus, missing)
        return [(name, partition) for name in names for partition in range(counts[name])]

    def _listed(
        self, partitions: Collection[tuple[TopicName, int]], which: OffsetSpec, deadline: float
    ) -> dict[tuple[TopicName, int], int]:
        asked = {self._on_bus(name, p): which for name, p in partitions}
        futures = self._admin.list_offsets(asked, request_timeout=max(_SHORTEST_SECONDS, _left(deadline)))
        return {self._ours(at): future.result().offset for at, future in futures.items()}

    def _committed(
        self, partitions: Collection[tuple[TopicName, int]], deadline: float
    ) -> dict[tuple[TopicName, int], int | None]:
        asked = ConsumerGroupTopicPartitions(self._group, [self._on_bus(name, p) for name, p in partitions])
        futures = self._admin.list_consumer_group_offsets(
            [asked], request_timeout=max(_SHORTEST_SECONDS, _left(deadline))
        )
        answers = futures[self._group].result().topic_partitions
        for answer in answers:
            if answer.error:
                raise KafkaException(answer.error)
        return {self._ours(answer): answer.offset if answer.offset >= 0 else None for answer in answers}

    def _ends(
        self, partitions: Collection[tuple[TopicName, int]], deadline: float
    ) -> dict[tuple[TopicName, int], int]:
        begin = self._listed(partitions, OffsetSpec.latest(), deadline)
        waiting = set(begin)
        ends: dict[tuple[TopicName, int], int] = {}
        consumer = reader(self._bus, _FETCH)  # a used one would answer with the watermarks it saw before
        consumer.assign([self._on_bus(*at, offset) for at, offset in begin.items()])
        try:
            while waiting:
                for message in consumer.consume(_CONSUME, _CONSUME_SECONDS):
                    _refuse(message)
                # Tansu goes through all of a partition first: its answer may come without the records it was asked for,
                # because the wait is over, but not without the watermark.
                spoke = {
                    at: end
                    for at in waiting
                    if (end := consumer.get_watermark_offsets(self._on_bus(*at), cached=True)[1]) >= 0
                }
                ends |= spoke
                # Tansu fills a fetch from the front of the list while it may wait: the rest would starve.
                consumer.pause([self._on_bus(*at) for at in spoke])
                waiting -= spoke.keys()
                if waiting and _left(deadline) <= 0:
                    raise self._late(waiting)
        finally:
            consumer.close()
        return {at: ends[at] for at in begin}

    def _late(self, waiting: set[tuple[TopicName, int]]) -> Unavailable:
        first = "/".join(map(str, min(waiting)))
        return Unavailable(
            "kafka",
            f"{self._bus.bootstrap}: {len(waiting)} partitions did not answer, {first} among them",
            waited_seconds=self._bus.admin_timeout_seconds,
        )

    def _asked(self, question: Callable[[float], T]) -> T:
        """The answer to a question that is told its deadline; asked again while partitions change their leader."""
        began = time.monotonic()
        deadline = began + self._bus.admin_timeout_seconds
        while True:
            try:
                return question(deadline)
            except KafkaException as error:
                if not passes(error) or _left(deadline) <= 0:
                    raise translated(error, self._bus, time.monotonic() - began) from error
            time.sleep(_AGAIN_SECONDS)

    def _on_bus(self, name: TopicName, partition: int, offset: int = OFFSET_INVALID) -> TopicPartition:
        return TopicPartition(full_name(self._bus.prefix, name), partition, offset)

    def _ours(self, at: TopicPartition) -> tuple[TopicName, int]:
        name = short_name(self._bus.prefix, at.topic)
        assert name is not None, f"{at.topic} was not asked for"
        return name, at.partition


def _refuse(message: Message) -> None:
    """Raise an error that librdkafka does not recover from."""
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF and not error.retriable():
        raise KafkaException(error)


def _line(at: tuple[TopicName, int], start: int, end: int, committed: int | None) -> PartitionLag:
    done = start if committed is None else committed
    return PartitionLag(*at, start, end, committed, max(0, end - done))


def ends(bus: BusSettings, name: TopicName) -> dict[int, int]:
    """The next offset to be written, by partition of one topic; see `OffsetReader`."""
    return {partition: end for (_, partition), end in OffsetReader(bus).ends([name]).items()}


def lag(bus: BusSettings, group: str = "", names: Collection[TopicName] = FOLLOWED) -> list[PartitionLag]:
    """How far a group (default: the workers') is behind; see `OffsetReader`."""
    return OffsetReader(bus, group).lag(names)


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
