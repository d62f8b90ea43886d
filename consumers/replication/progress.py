"""How far a worker is: in the partitions that it owns, and in those that it follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from faust.types import TP

from stream_rec.consumers.replication.follower import Follower
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.schemas.records import TopicName

Distance = tuple[TopicName, int, int | None]
"""Topic, partition, and records to its end; None = not known yet."""


class Offsets(Protocol):
    """The consumer, as far as progress is concerned (stream_rec.bus.transport.BatchConsumer)."""

    def end(self, tp: TP, /) -> int | None:
        """The partition's high watermark; None = not known yet."""

    def committed(self, tp: TP, /) -> int | None:
        """The offset committed last; None = none."""


class Reach(NamedTuple):
    """How far an owned partition has been served.

    Attributes:
        topic: name without the prefix.
        partition: number within the topic.
        lag: records between the committed offset and the end.
    """

    topic: TopicName
    partition: int
    lag: int


class Progress:
    """Asked by reports and probes. Main loop only.

    Args:
        table: the owned partitions.
        follower: the others.
        consumer: ends and committed offsets of what is owned.
    """

    def __init__(self, table: PartitionTable, follower: Follower, consumer: Offsets) -> None:
        self._table = table
        self._follower = follower
        self._consumer = consumer

    @property
    def joined(self) -> bool:
        """Does the worker serve its first assignment, or a later one."""
        return self._table.ready.is_set()

    def owned(self) -> list[Reach]:
        """The owned partitions whose end is known."""
        return [Reach(name, p, lag) for name, p, lag in self._owned() if lag is not None]

    def followed(self) -> dict[tuple[TopicName, int], int]:
        """Records to learn until the end of each followed partition, where that is known."""
        return {(name, p): lag for name, p, lag in self._follower.lags() if lag is not None}

    def distances(self) -> Iterator[Distance]:
        """How far every partition is from its end: followed ones from the position, owned ones from the commit."""
        yield from self._follower.lags()
        yield from self._owned()

    def _owned(self) -> Iterator[Distance]:
        for name, partition in sorted(self._table.owned):
            tp = self._table.on_bus(name, partition)
            end = self._consumer.end(tp)
            yield name, partition, None if end is None else max(0, end - (self._consumer.committed(tp) or 0))
