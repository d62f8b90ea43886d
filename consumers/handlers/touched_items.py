"""Items whose neighbours have changed, so that their `similar` lists are to be written."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import TopicName

_TOPIC: TopicName = "items"


class TouchedItems:
    """A bounded queue of item ids, each once; the one waiting longest is forgotten first. Engine's thread.

    Args:
        table: whose items are ours.
        max_items: length of the queue.
    """

    def __init__(self, table: PartitionTable, max_items: int = 10_000) -> None:
        self._table = table
        self._max_items = max_items
        self._waiting: dict[str, None] = {}

    def __len__(self) -> int:
        """Number of items waiting."""
        return len(self._waiting)

    def touch(self, item_ids: Iterable[str]) -> None:
        """The neighbours of these items have changed."""
        for item in item_ids:
            self._waiting[item] = None
        while len(self._waiting) > self._max_items:
            del self._waiting[next(iter(self._waiting))]

    def take(self, n: int) -> list[str]:
        """The n items waiting longest of the partitions that are ours; others are forgotten on the way."""
        waiting = list(self._waiting)
        n_partitions = self._table.count(_TOPIC)
        partitions = partition_of(IdColumn.of(waiting), n_partitions)
        ours = np.array([self._table.owns(_TOPIC, partition) for partition in range(n_partitions)])
        taken: list[str] = []
        for item, is_ours in zip(waiting, ours[partitions].tolist(), strict=True):
            if len(taken) == n:
                break
            del self._waiting[item]
            if is_ours:
                taken.append(item)
        return taken
