"""A batch as it comes off the wire, and how one is cut from what aiokafka has fetched."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from stream_rec.schemas.columns import Span
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    """Raw records of one partition, in log order. The value of one Faust event.

    Attributes:
        topic: without the tenant's prefix.
        partition: of that topic.
        epoch: of the partition when the batch was fetched; grows on every assign, revoke and re-read.
        start: the fetch position before the batch.
        next: the fetch position after it. Offsets missing in between (compaction, transactions) are inside; a
            batch may hold no record at all, when only such offsets were passed.
        keys: [n].
        values: [n]; None = an empty message.
        offsets: [n], strictly ascending.
        timestamps: [n], the broker's, ms since the epoch.
    """

    topic: TopicName
    partition: int
    epoch: int
    start: int
    next: int
    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        """How many records."""
        return len(self.offsets)

    @property
    def tp(self) -> TopicPartition:
        """The partition it is of."""
        return TopicPartition(self.topic, self.partition)

    def span(self) -> Span:
        """Where the batch stands."""
        return Span(self.topic, self.partition, self.epoch, self.start, self.next)

    def before(self, offset: int) -> Fetched:
        """What of it stands before an offset."""
        if self.next <= offset:
            return self
        return self._part(0, bisect_left(self.offsets, offset), self.start, max(self.start, offset))

    def since(self, offset: int) -> Fetched:
        """What of it stands at an offset of it and after."""
        return self._part(bisect_left(self.offsets, offset), len(self), offset, self.next)

    def slices(self, records: int) -> Iterator[Fetched]:
        """The same in parts of at most so many records that follow each other without a gap; one at least."""
        start = self.start
        for first in range(0, max(1, len(self)), records):
            last = first + records
            next_ = self.offsets[last] if last < len(self) else self.next
            yield self._part(first, last, start, next_)
            start = next_

    def _part(self, first: int, last: int, start: int, next_: int) -> Fetched:
        keys, values = self.keys[first:last], self.values[first:last]
        offsets, timestamps = self.offsets[first:last], self.timestamps[first:last]
        return Fetched(
            self.topic, self.partition, self.epoch, start, next_, keys, values, offsets, timestamps
        )


@dataclass(slots=True)
class Columns:
    """The records of a batch that is still growing. See `Fetched` for the columns."""

    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        """How many records."""
        return len(self.offsets)

    def add(self, key: bytes | None, value: bytes | None, offset: int, timestamp: int) -> int:
        """Append a record; the bytes of its key and value."""
        self.keys.append(key)
        self.values.append(value)
        self.offsets.append(offset)
        self.timestamps.append(timestamp)
        return len(key or b"") + len(value or b"")

    def fetched(self, tp: TopicPartition, epoch: int, start: int, next_: int) -> Fetched:
        """The whole batch. It takes the columns over: add nothing afterwards."""
        return Fetched(*tp, epoch, start, next_, self.keys, self.values, self.offsets, self.timestamps)


class _Position(Protocol):
    """aiokafka's state of one assigned partition, as far as it is used here."""

    position: int

    def consumed_to(self, position: int) -> None: ...


def cut(
    result: Any, state: _Position, tp: TopicPartition, epoch: int, *, max_records: int, max_bytes: int
) -> Fetched | None:
    """Take the next batch from one partition's fetched data, and move the fetch position past it.

    Stands in for aiokafka's `FetchResult.getall`, which knows no bound in bytes and does not tell the positions.

    Args:
        result: aiokafka's `FetchResult`.
        state: aiokafka's state of the same partition.
        tp: that partition, by our name.
        epoch: of the partition now.
        max_records: upper bound of records in the batch.
        max_bytes: upper bound of bytes of keys and values; one record may be larger, and then stands alone.

    Returns:
        The batch; None when there is nothing: the data was dropped by a seek or a rebalance, or the position did
        not move. `result.has_more()` tells whether the data is used up.
    """
    if not result.check_assignment(result._topic_partition) or not result.has_more():
        return None
    start = state.position
    records = result._partition_records
    columns = Columns()
    size = 0
    for record in records:
        if columns and size + len(record.value or b"") + len(record.key or b"") > max_bytes:
            _put_back(records, record)
            break
        size += columns.add(record.key, record.value, record.offset, record.timestamp)
        records.next_fetch_offset = record.offset + 1
        if len(columns) >= max_records or size >= max_bytes:
            break
    else:
        result._partition_records = None
    state.consumed_to(records.next_fetch_offset)
    if state.position == start:
        return None
    return columns.fetched(tp, epoch, start, state.position)


def _put_back(records: Any, record: Any) -> None:
    """Make `record` the next one that the iterator gives."""
    records._records_iterator = itertools.chain((record,), records._records_iterator)
    records.next_fetch_offset = record.offset
