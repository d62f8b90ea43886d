"""The one book of partitions: how many, of which log, in which epoch, which are ours, and whether we serve them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

from stream_rec.bus.epochs import Epochs
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName


class PartitionTable:
    """What one worker knows about the partitions of the topics that it follows.

    Changed in the main loop only; counts, owned partitions and epochs may be read from any thread.

    Args:
        counts: number of partitions of each topic.
        topic_ids: id of the incarnation of each topic (`bus.topics.log_id`), as of the start.

    Attributes:
        topic_ids: the same.
        epochs: of all partitions; advanced by the transport.
        owned: topic and partition of all that the group has assigned to this worker.
        ready: set once the first assignment is being served.
    """

    def __init__(self, counts: Mapping[TopicName, int], topic_ids: Mapping[TopicName, str]) -> None:
        self._counts = dict(counts)
        self.topic_ids = dict(topic_ids)
        self.epochs = Epochs()
        self.owned: frozenset[TopicPartition] = frozenset()
        self.ready = asyncio.Event()

    def count(self, name: TopicName) -> int:
        """Number of partitions of a topic."""
        return self._counts[name]

    def partitions(self) -> Iterator[TopicPartition]:
        """Every partition of every topic."""
        for name, n in self._counts.items():
            for partition in range(n):
                yield TopicPartition(name, partition)

    def grow(self, counts: Mapping[TopicName, int]) -> dict[TopicName, int]:
        """Take in the present number of partitions of some topics.

        Returns:
            The topics that have grown, and their new counts.
        """
        grown = {name: n for name, n in counts.items() if n > self._counts[name]}
        self._counts.update(grown)
        return grown

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """The group has assigned these to this worker, and no others."""
        self.owned = frozenset(partitions)

    def revoke(self, partitions: Iterable[TopicPartition]) -> frozenset[TopicPartition]:
        """These are no longer this worker's; those of them that were."""
        revoked = self.owned & frozenset(partitions)
        self.owned -= revoked
        return revoked

    def owns(self, name: TopicName, partition: int) -> bool:
        """Is the partition this worker's."""
        return (name, partition) in self.owned

    @property
    def leads(self) -> bool:
        """Does this worker write what only one may write: lists of the whole catalogue, snapshots.

        It is whoever owns partition 0 of `events`.
        """
        return self.owns("events", 0)
