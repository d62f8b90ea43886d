"""Stretches of partitions, read to their ends: in whatever order between partitions the caller asks for, or any."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from stream_rec.bus.batch import Columns, Fetched
from stream_rec.bus.reader import Fetching, Reader, Start
from stream_rec.errors import Unavailable
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import BusSettings

Bounds = Mapping[TopicPartition, tuple[int, int]]
"""By partition: where to begin, and the offset to stop before; both are within the log."""

FETCHING = Fetching(10_000, 16 << 20, client={"queued.min.messages": 10_000})
_AHEAD_BATCHES = 8
"""Batches of one partition that are kept while others are asked for; then it pauses."""


class _Record(NamedTuple):
    key: bytes | None
    value: bytes | None
    offset: int
    timestamp: int


@dataclass(slots=True)
class _Stream:
    """One partition: records that were read and not taken, and the offset up to which everything was read."""

    position: int
    end: int
    reached: int
    records: deque[_Record] = field(default_factory=deque)

    def add(self, batch: Fetched, *, at_end: bool) -> None:
        """Take in what belongs to the stretch. Where the log has no more to read, the stretch ends."""
        batch = batch.before(self.end)
        columns = (batch.keys, batch.values, batch.offsets, batch.timestamps)
        self.records.extend(map(_Record, *columns))
        self.reached = self.end if at_end else max(self.reached, min(batch.next, self.end))


class Stretches:
    """Stretches side by side, each in log order, in any order between them. Not thread-safe; use `opened`.

    Args:
        bus: addresses and bounds.
        bounds: of the stretches.
    """

    def __init__(self, bus: BusSettings, bounds: Bounds) -> None:
        self._bus = bus
        self._streams = {tp: _Stream(begin, end, begin) for tp, (begin, end) in bounds.items()}
        self._most = bus.batch_max_records
        self._reader = _begun(bus, bounds, replace(FETCHING, max_records=self._most))

    def take(
        self, tp: TopicPartition, until: int, may: Callable[[int, int], bool] = lambda _ts, _offset: True
    ) -> Fetched | None:
        """The next batch of a partition: not beyond `until`, `bus.batch_max_records` at most.

        Offsets without a record (compacted, deleted, or the end of a transaction) are inside a batch.

        Args:
            tp: which partition.
            until: the offset to stop before.
            may: asked with the broker's timestamp and the offset of each record: the first one that it refuses, and all
                behind it, stay for later. It must not refuse the first one.

        Returns:
            None when everything before `until`, or before the end of the stretch, was taken.

        Raises:
            Unavailable: the broker gave nothing for `bus.admin_timeout_seconds`.
            ConfigError: it refuses us, or the topic was deleted and recreated.
        """
        stream = self._streams[tp]
        until = min(until, stream.end)
        if stream.position >= until:
            return None
        self._fill(tp, until)
        columns = Columns()
        while stream.records and len(columns) < self._most:
            record = stream.records[0]
            if record.offset >= until or not may(record.timestamp, record.offset):
                break
            columns.add(*stream.records.popleft())
        everything_before = stream.records[0].offset if stream.records else stream.reached
        is_done = everything_before >= until or not columns
        start = stream.position
        stream.position = min(everything_before, until) if is_done else columns.offsets[-1] + 1
        return columns.fetched(tp, 0, start, stream.position)

    def head(self, tp: TopicPartition) -> tuple[int, int] | None:
        """Broker timestamp (ms) and offset of the next record; None = the stretch is used up. Raises as `take`."""
        stream = self._streams[tp]
        if stream.position < stream.end:
            self._fill(tp, stream.end)
        if not stream.records:
            stream.position = stream.end
            return None
        return stream.records[0].timestamp, stream.records[0].offset

    def close(self) -> None:
        """Close the client."""
        self._reader.close()

    def _fill(self, tp: TopicPartition, until: int) -> None:
        """Until there is a record, or none before `until`."""
        stream = self._streams[tp]
        news = _News(self._bus)
        while not stream.records and stream.reached < until:
            self._reader.resume(tp)
            reads = self._reader.read()
            for read in reads:
                self._streams[read.batch.tp].add(read.batch, at_end=read.at_end)
                self._pause_if_full(read.batch.tp)
            news.note(self._reader, tp, is_there=bool(reads))

    def _pause_if_full(self, tp: TopicPartition) -> None:
        stream = self._streams[tp]
        if stream.reached >= stream.end:
            self._reader.leave([tp])
        elif len(stream.records) >= _AHEAD_BATCHES * self._most:
            self._reader.pause(tp)


@contextmanager
def opened(bus: BusSettings, bounds: Bounds) -> Iterator[Stretches]:
    """Stretches to read side by side; closed at the end."""
    with closing(Stretches(bus, bounds)) as log:
        yield log


def read_through(bus: BusSettings, bounds: Bounds) -> Iterator[Fetched]:
    """Every batch of stretches as it comes: each partition in log order, in no order between them.

    Raises:
        Unavailable: the broker gave nothing for `bus.admin_timeout_seconds`.
        ConfigError: it refuses us, or the topic was deleted and recreated.
    """
    unread = {tp: end for tp, (begin, end) in bounds.items() if begin < end}
    with closing(_begun(bus, bounds, FETCHING)) as reader:
        news = _News(bus)
        while unread:
            reads = reader.read()
            news.note(reader, next(iter(unread)), is_there=bool(reads))
            for read in reads:
                yield read.batch.before(unread[read.batch.tp])
                if read.at_end or read.batch.next >= unread[read.batch.tp]:
                    del unread[read.batch.tp]
                    reader.leave([read.batch.tp])


class _News:
    """How long nothing has come. A reader whose wait has just grown starts afresh."""

    def __init__(self, bus: BusSettings) -> None:
        self._most = bus.admin_timeout_seconds
        self._last = time.monotonic()
        self._wait_seconds = 0.0

    def note(self, reader: Reader, tp: TopicPartition, *, is_there: bool) -> None:
        now = time.monotonic()
        if is_there or reader.wait_seconds != self._wait_seconds:
            self._last, self._wait_seconds = now, reader.wait_seconds
        elif now - self._last > max(self._most, 2 * reader.patience_seconds):
            raise Unavailable("kafka", f"no records of {tp}", waited_seconds=now - self._last)


def _begun(bus: BusSettings, bounds: Bounds, fetching: Fetching) -> Reader:
    reader = Reader(bus, fetching)
    reader.begin({tp: Start(begin) for tp, (begin, end) in bounds.items() if begin < end})
    return reader
