"""The one book of epochs: which batches of a partition may still be learned from."""

from __future__ import annotations

from collections.abc import Iterable

from stream_rec.bus.batch import Fetched
from stream_rec.schemas.partition import TopicPartition


class Epochs:
    """An epoch of every partition; it grows whenever the partition is assigned, revoked or read again.

    Advanced in the main loop only; read from any thread.
    """

    def __init__(self) -> None:
        self._epochs: dict[TopicPartition, int] = {}

    def of(self, partition: TopicPartition) -> int:
        """The partition's present epoch; 0 until it first advances."""
        return self._epochs.get(partition, 0)

    def advance(self, partitions: Iterable[TopicPartition]) -> None:
        """Every batch of these partitions that was fetched before is out of date."""
        for tp in partitions:
            self._epochs[tp] = self.of(tp) + 1

    def is_current(self, batch: Fetched) -> bool:
        """Was the batch fetched in the present epoch of its partition."""
        return self.of(batch.tp) == batch.epoch
