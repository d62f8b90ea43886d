"""Reading several partitions side by side, each in log order, in whatever order between them the caller asks for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream_rec.bus.batch import Fetched
from stream_rec.bus.clients import reader, translated
from stream_rec.errors import Unavailable
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings

Where = tuple[TopicName, int]
"""Topic, without the tenant's prefix, and partition."""

_READING = {
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    "fetch.wait.max.ms": 50,
    "queued.max.messages.kbytes": 16_384,
}
_CONSUME_SECONDS = 0.1
_AHEAD_BATCHES = 8
"""Batches of one partition that are kept while others are asked for; then it pauses."""


@dataclass(slots=True)
class _Stream:
    """One partition: what has come and was not taken, and up to where everything has come."""

    position: int
    end: int
    reached: int
    is_paused: bool = False
    records: deque[Message] = field(default_factory=deque)


class SideBySide:
    """Reads stretches of partitions. It joins no group and commits nothing. Not thread-safe; use `opened`.

    Args:
        bus: where from.
        stretches: by partition: where to begin, and the offset to stop before; both are within the log.
    """

    def __init__(self, bus: BusSettings, stretches: Mapping[Where, tuple[int, int]]) -> None:
        self._bus = bus
        self._streams = {where: _Stream(begin, end, begin) for where, (begin, end) in stretches.items()}
        self._by_full = {(full_name(bus.prefix, name), p): (name, p) for name, p in stretches}
        self._most = bus.batch_max_records
        self._consumer: Consumer = reader(bus, _READING)
        wanted = [where for where, stream in self._streams.items() if stream.position < stream.end]
        self._consumer.assign([self._at(where, self._streams[where].position) for where in wanted])

    def take(
        self, where: Where, until: int, may: Callable[[int, int], bool] = lambda _ts, _offset: True
    ) -> Fetched | None:
        """The next batch of a partition: not beyond `until`, `bus.batch_max_records` at most.

        Offsets without a record (compacted, deleted, or the end of a transaction) are inside a batch.

        Args:
            where: which partition.
            until: the offset to stop before.
            may: asked with the broker's timestamp and the offset of each record: the first one that it refuses, and all
                behind it, stay for later. It must not refuse the first one.

        Returns:
            None when everything before `until`, or before the end of the stretch, was taken.

        Raises:
            Unavailable: the broker gave nothing for `bus.admin_timeout_seconds`.
            ConfigError: it refuses us.
        """
        stream = self._streams[where]
        until = min(until, stream.end)
        if stream.position >= until:
            return None
        self._fill(where, until)
        batch = Fetched(full_name(self._bus.prefix, where[0]), where[1], 0, stream.position, stream.position)
        while stream.records and len(batch) < self._most:
            message = stream.records[0]
            offset, timestamp = message.offset(), message.timestamp()[1]
            if offset >= until or not may(timestamp, offset):
                break
            stream.records.popleft()
            batch.keys.append(message.key())
            batch.values.append(message.value())
            batch.offsets.append(offset)
            batch.timestamps.append(timestamp)
        everything_before = stream.records[0].offset() if stream.records else stream.reached
        is_done = everything_before >= until or not batch.offsets
        stream.position = min(everything_before, until) if is_done else batch.offsets[-1] + 1
        object.__setattr__(batch, "next", stream.position)
        return batch

    def head(self, where: Where) -> tuple[int, int] | None:
        """Broker timestamp (ms) and offset of the next record; None = the stretch is used up. Raises as `take`."""
        stream = self._streams[where]
        if stream.position < stream.end:
            self._fill(where, stream.end)
        if not stream.records:
            stream.position = stream.end
            return None
        return stream.records[0].timestamp()[1], stream.records[0].offset()

    def close(self) -> None:
        """Let the broker go."""
        self._consumer.close()

    def _fill(self, where: Where, until: int) -> None:
        """Until there is a record, or none before `until`."""
        stream = self._streams[where]
        last_news = time.monotonic()
        while not stream.records and stream.reached < until:
            if stream.is_paused:
                stream.is_paused = False
                self._consumer.resume([self._at(where)])
            if self._consume():
                last_news = time.monotonic()
            elif (waited := time.monotonic() - last_news) > self._bus.admin_timeout_seconds:
                raise Unavailable("kafka", f"no records of {where[0]}/{where[1]}", waited_seconds=waited)

    def _consume(self) -> bool:
        """Put what has come to its partition; False if nothing has."""
        # `consume` alone would wait until it has all that it is asked for.
        first = self._consumer.poll(_CONSUME_SECONDS)
        messages = [first, *self._consumer.consume(self._most, 0.0)] if first is not None else []
        for message in messages:
            where = self._by_full[message.topic(), message.partition()]
            stream, error, offset = self._streams[where], message.error(), message.offset()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise translated(KafkaException(error), self._bus, 0.0)
            if offset < stream.reached or stream.reached >= stream.end:
                continue
            if error is None and offset < stream.end:
                stream.records.append(message)
            stream.reached = max(stream.reached, min(offset + (error is None), stream.end))
            if stream.reached >= stream.end or len(stream.records) >= _AHEAD_BATCHES * self._most:
                self._pause(where)
        return bool(messages)

    def _pause(self, where: Where) -> None:
        if not self._streams[where].is_paused:
            self._streams[where].is_paused = True
            self._consumer.pause([self._at(where)])

    def _at(self, where: Where, offset: int | None = None) -> TopicPartition:
        full = full_name(self._bus.prefix, where[0])
        return TopicPartition(full, where[1]) if offset is None else TopicPartition(full, where[1], offset)


@contextmanager
def opened(bus: BusSettings, stretches: Mapping[Where, tuple[int, int]]) -> Iterator[SideBySide]:
    """A reader that is closed at the end."""
    log = SideBySide(bus, stretches)
    try:
        yield log
    finally:
        log.close()
