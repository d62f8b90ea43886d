"""Where the log ends, and how far a group is behind it. Right on the embedded broker too.

Tansu answers ListOffsets(latest) with the base of the last *batch* + 1. That answer is only where to begin: a
fetch from there comes back with the partition's high watermark, which is the end on every broker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Set
from contextlib import closing
from typing import NamedTuple, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, OffsetSpec

from stream_rec.bus import clients
from stream_rec.bus.naming import on_bus, ours
from stream_rec.bus.reader import Fetching, Reader, Start
from stream_rec.bus.topics import missing_topics, partition_counts
from stream_rec.errors import Unavailable
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.settings import BusSettings

T = TypeVar("T")

FETCHING = Fetching(
    # One small answer per broker is enough: the watermark is wanted, not the records.
    max_records=1,
    max_bytes=1024,
    wait_seconds=0.005,
    client={"fetch.message.max.bytes": 1, "fetch.queue.backoff.ms": 1},
)
_AGAIN_SECONDS = 0.05
_SHORTEST_SECONDS = 0.1  # librdkafka refuses a timeout of nothing


def records_behind(start: int, committed: int | None, end: int) -> int:
    """How many records a group has still to handle of one partition: what `lag`, `doctor`, probe and gauge say.

    Offsets are counted, so gaps left by compaction count too, as in every lag tool. Records that were deleted before
    the group came to them do not: nobody will handle them.

    Args:
        start: the first offset that is still kept.
        committed: the next offset the group will handle; None = it has committed nothing and begins at `start`.
        end: the next offset to be written.
    """
    return max(0, end - max(start, committed or 0))


class PartitionLag(NamedTuple):
    """How far a group is behind the end of one partition.

    Attributes:
        topic: without the tenant's prefix.
        partition: of that topic.
        start: the first offset that is still kept.
        end: the next offset to be written.
        committed: the next offset the group will handle; None = it has committed nothing.
        lag: see `records_behind`.
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
        self._admin: AdminClient = clients.admin(bus)

    def ends(self, names: Collection[TopicName] = FOLLOWED) -> dict[TopicPartition, int]:
        """The next offset to be written, by topic and partition. At least as new as the call."""
        return self._asked(lambda deadline: self._ends(self._partitions(names), deadline))

    def starts(self, names: Collection[TopicName] = FOLLOWED) -> dict[TopicPartition, int]:
        """The first offset that is still kept, by topic and partition.

        The leaders themselves answer, so whoever has the answer knows that they serve. (Metadata names the leader of a
        new partition a moment before it does.)
        """
        return self._asked(
            lambda deadline: self._listed(self._partitions(names), OffsetSpec.earliest(), deadline)
        )

    def bounds(self, names: Collection[TopicName] = FOLLOWED) -> dict[TopicPartition, tuple[int, int]]:
        """The first offset that is still kept and the next to be written, by topic and partition."""

        def question(deadline: float) -> dict[TopicPartition, tuple[int, int]]:
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

    def _partitions(self, names: Collection[TopicName]) -> list[TopicPartition]:
        counts = partition_counts(self._bus, names, client=self._admin)
        if missing := [name for name in names if name not in counts]:
            raise missing_topics(self._bus, missing)
        return [TopicPartition(name, partition) for name in names for partition in range(counts[name])]

    def _listed(
        self, partitions: Collection[TopicPartition], which: OffsetSpec, deadline: float
    ) -> dict[TopicPartition, int]:
        asked = {on_bus(self._bus.prefix, tp): which for tp in partitions}
        futures = self._admin.list_offsets(asked, request_timeout=max(_SHORTEST_SECONDS, _left(deadline)))
        return {ours(self._bus.prefix, at): future.result().offset for at, future in futures.items()}

    def _committed(
        self, partitions: Collection[TopicPartition], deadline: float
    ) -> dict[TopicPartition, int | None]:
        asked = [on_bus(self._bus.prefix, tp) for tp in partitions]
        # Not of the admin client: see docs/transport.md.
        with closing(clients.reader(self._bus, {"group.id": self._group})) as consumer:
            answers = consumer.committed(asked, timeout=max(_SHORTEST_SECONDS, _left(deadline)))
        for answer in answers:
            if answer.error:
                raise KafkaException(answer.error)
        return {ours(self._bus.prefix, at): at.offset if at.offset >= 0 else None for at in answers}

    def _ends(self, partitions: Collection[TopicPartition], deadline: float) -> dict[TopicPartition, int]:
        begin = self._listed(partitions, OffsetSpec.latest(), deadline)
        ends: dict[TopicPartition, int] = {}
        # A used reader would answer with the watermarks that it saw before.
        with closing(Reader(self._bus, FETCHING)) as reader:
            reader.begin({tp: Start(offset) for tp, offset in begin.items()})
            while len(ends) < len(begin):
                reader.read()
                # Tansu scans the whole partition: when the wait ends first, its reply has no records, but always the
                # watermark.
                spoke = reader.ends()
                ends |= spoke
                # Tansu fills a fetch from the front of the list while it may wait: the rest would starve.
                reader.leave(spoke)
                if len(ends) < len(begin) and _left(deadline) <= 0:
                    raise self._late(begin.keys() - ends.keys())
        return {tp: ends[tp] for tp in begin}

    def _late(self, waiting: Set[TopicPartition]) -> Unavailable:
        one = f"{self._bus.prefix}{min(waiting)}"
        return Unavailable(
            "kafka",
            f"{self._bus.bootstrap}: {len(waiting)} partitions did not answer, {one} among them",
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
                if not clients.passes(error) or _left(deadline) <= 0:
                    raise clients.translated(error, self._bus, time.monotonic() - began) from error
            time.sleep(_AGAIN_SECONDS)


def _line(tp: TopicPartition, start: int, end: int, committed: int | None) -> PartitionLag:
    return PartitionLag(*tp, start, end, committed, records_behind(start, committed, end))


def ends(bus: BusSettings, name: TopicName) -> dict[int, int]:
    """The next offset to be written, by partition of one topic; see `OffsetReader`."""
    return {partition: end for (_, partition), end in OffsetReader(bus).ends([name]).items()}


def lag(bus: BusSettings, group: str = "", names: Collection[TopicName] = FOLLOWED) -> list[PartitionLag]:
    """How far a group (default: the workers') is behind; see `OffsetReader`."""
    return OffsetReader(bus, group).lag(names)


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
