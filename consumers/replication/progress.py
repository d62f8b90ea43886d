"""How far a worker is: in the partitions that it owns, and in those that it follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from stream_rec.consumers.replication.follower import Follower
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName

Distance = tuple[TopicName, int, int | None]
"""Topic, partition, and records to its end; None = not known yet."""


class Lags(Protocol):
    """The consumer, as far as progress is concerned (stream_rec.bus.transport.BatchConsumer)."""

    def lag(self, tp: TopicPartition, /) -> int | None:
        """Records between the committed offset and the end; None = not known yet."""


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
        consumer: how far owned partitions are behind.
    """

    def __init__(self, table: PartitionTable, follower: Follower, consumer: Lags) -> None:
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

    def followed(self) -> dict[TopicPartition, int]:
        """Records to learn until the end of each followed partition, where that is known."""
        return {TopicPartition(name, p): lag for name, p, lag in self._follower.lags() if lag is not None}

    def distances(self) -> Iterator[Distance]:
        """How far every partition is from its end: followed ones from the position, owned ones from the commit."""
        yield from self._follower.lags()
        yield from self._owned()

    def _owned(self) -> Iterator[Distance]:
        for tp in sorted(self._table.owned):
            yield *tp, self._consumer.lag(tp)
