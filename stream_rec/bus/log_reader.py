"""Reads partitions with explicit offsets, outside of any group: batches as the transport's, but without Faust."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from faust.types import TP

from stream_rec.bus.batch import Fetched
from stream_rec.bus.clients import reader, translated
from stream_rec.errors import ConfigError
from stream_rec.settings import BusSettings

CONSUME_SECONDS = 0.1
"""A read without news ends after this: so long a change of partitions may wait."""
_CHUNK = 250
"""Records asked of the client at once: between two such questions the bound in bytes is looked at."""
_MAX_POLL_MS = 86_400_000
"""The longest there is: a reader that has nothing to read may be silent for days."""
_ASK_SECONDS = 2.0
"""Where a log begins and ends, asked when nothing comes from the place we were to read."""
_LONGEST_WAIT_MS = 5_000
"""The most that the embedded broker is given to find the place it was asked for."""
_PATIENCE = 10
"""It is given twice as much when nothing has come in so many waits, though there is something."""
_ENDED, _MOVED_ON = KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET


class Start(NamedTuple):
    """Where to begin with a partition.

    Attributes:
        epoch: that its batches carry.
        offset: of the first record; None = where the log begins.
    """

    epoch: int
    offset: int | None


class Read(NamedTuple):
    """News of one partition.

    Attributes:
        batch: may hold no record, when there is nothing but offsets without one.
        at_end: the log went no further when this was read.
        is_gone: the batch's offsets were deleted before they were read.
    """

    batch: Fetched
    at_end: bool = False
    is_gone: bool = False


@dataclass(slots=True)
class _Place:
    """A partition being read: what has come of the next batch, and where it begins."""

    epoch: int
    at: int | None
    next: int | None
    at_end: bool = False
    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)

    def add(self, message: Message) -> int:
        """Take in a record, or the end of the log; how many bytes."""
        offset: int = message.offset()
        if self.at is None:
            self.at = offset
        self.at_end = message.error() is not None
        self.next = offset + (not self.at_end)
        if self.at_end:
            return 0
        key, value = message.key(), message.value()
        self.keys.append(key)
        self.values.append(value)
        self.offsets.append(offset)
        self.timestamps.append(message.timestamp()[1])
        return len(key or b"") + len(value or b"")

    def cut(self, tp: TP) -> Read:
        """What has come; the next batch begins behind it."""
        assert self.at is not None
        assert self.next is not None
        columns = self.keys, self.values, self.offsets, self.timestamps
        batch = Fetched(tp.topic, tp.partition, self.epoch, self.at, self.next, *columns)
        self.keys, self.values, self.offsets, self.timestamps, self.at = [], [], [], [], self.next
        return Read(batch, self.at_end)


class LogReader:
    """Not thread-safe. While the broker is away, reads come back empty, and go on where they were when it is back.

    Args:
        bus: addresses, and how much is read ahead.

    Raises:
        ConfigError: `bus.security` has a key or a value that librdkafka does not know.
    """

    def __init__(self, bus: BusSettings) -> None:
        self._bus = bus
        self._places: dict[TP, _Place] = {}
        self._wait_ms = int(CONSUME_SECONDS * 1000)
        self._fed_at = time.monotonic()
        self._consumer = self._connected()

    def _connected(self) -> Consumer:
        return reader(
            self._bus,
            {
                "enable.partition.eof": True,
                "auto.offset.reset": "error",  # what is gone is to be told, not passed over
                "fetch.wait.max.ms": self._wait_ms,
                "queued.min.messages": self._bus.follow_ahead_records,
                "fetch.queue.backoff.ms": 5,  # by itself it would wait a second when that many are queued
                "queued.max.messages.kbytes": max(1, self._bus.follow_ahead_bytes // 1024),
                "max.poll.interval.ms": _MAX_POLL_MS,
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": int(self._bus.backoff_max_seconds * 1000),
            },
        )

    def begin(self, starts: Mapping[TP, Start]) -> None:
        """Read these partitions from now on, and no others."""
        self._places = {tp: _Place(start.epoch, start.offset, start.offset) for tp, start in starts.items()}
        self._consumer.assign([_at(tp, start.offset) for tp, start in starts.items()])

    def leave(self, partitions: Collection[TP]) -> None:
        """Read these no more; partitions that are not read anyway are passed over."""
        if left := [TopicPartition(*tp) for tp in partitions if self._places.pop(tp, None)]:
            self._consumer.incremental_unassign(left)

    def read(self) -> list[Read]:
        """What has come, a batch per partition; waits for news, `CONSUME_SECONDS` at most.

        At most `bus.follow_ahead_records` records, and not much more than `bus.follow_ahead_bytes`.

        Raises:
            ConfigError: the broker refuses us, or a log ends before the offset we were to begin with.
            Unavailable: the broker says something that we know no way around.
        """
        news: dict[TP, None] = {}
        reads: list[Read] = []
        n_records = n_bytes = 0
        seconds = CONSUME_SECONDS
        while n_records < self._bus.follow_ahead_records and n_bytes < self._bus.follow_ahead_bytes:
            messages = self._consumer.consume(
                min(_CHUNK, self._bus.follow_ahead_records - n_records), seconds
            )
            for message in messages:
                tp = TP(message.topic(), message.partition())
                place = self._places.get(tp)
                error = message.error()
                if error is not None and error.code() != _ENDED:
                    reads += self._handle(error, tp)
                elif place is not None and (place.next is None or message.offset() >= place.next):
                    n_bytes += place.add(message)
                    news[tp] = None
            n_records += len(messages)
            seconds = 0.0
            if len(messages) < _CHUNK:
                break
        if news or not self._is_starved():
            self._fed_at = time.monotonic()
        elif time.monotonic() - self._fed_at > _PATIENCE * self._wait_ms / 1000:
            self._fed_at = time.monotonic()
            if self._is_answering():
                self._wait_longer()
        return reads + [self._places[tp].cut(tp) for tp in news]

    def ends(self) -> dict[TP, int]:
        """The next offset to be written, as of the last fetch; partitions of which nothing has come are missing."""
        ends = {}
        for tp in self._places:
            watermarks = self._consumer.get_watermark_offsets(TopicPartition(*tp), cached=True)
            if watermarks is not None and watermarks[1] >= 0:
                ends[tp] = watermarks[1]
        return ends

    def close(self) -> None:
        """Give everything back."""
        self._consumer.close()

    def _handle(self, error: KafkaError, tp: TP) -> list[Read]:
        """Go on behind records that are gone; wait for what passes by itself."""
        if error.code() == _MOVED_ON and tp in self._places:
            return self._pass_over(tp)
        if error.fatal() or not (error.retriable() or error.code() in _PASSING):
            raise translated(KafkaException(error), self._bus, 0.0)
        return []

    def _is_starved(self) -> bool:
        """Has a partition more than has come? See `bus.fetch_thread`: the embedded broker may need a longer wait."""
        return any(self._places[tp].next not in (None, end) for tp, end in self.ends().items())

    def _is_answering(self) -> bool:
        tp = next(iter(self._places))
        with suppress(KafkaException):
            return self._consumer.get_watermark_offsets(TopicPartition(*tp), timeout=_ASK_SECONDS) is not None
        return False

    def _wait_longer(self) -> None:
        """With a new client, which goes on where this one was: a client's wait cannot be changed."""
        self._wait_ms = min(2 * self._wait_ms, _LONGEST_WAIT_MS)
        self._consumer.close()
        self._consumer = self._connected()
        self._consumer.assign([_at(tp, place.next) for tp, place in self._places.items()])

    def _pass_over(self, tp: TP) -> list[Read]:
        place = self._places[tp]
        at = place.next
        first = end = None
        with suppress(KafkaException):  # then it is asked for again
            first, end = self._consumer.get_watermark_offsets(TopicPartition(*tp), timeout=_ASK_SECONDS)
        if at is not None and end is not None and at > end:
            raise ConfigError(
                f"{tp.topic}/{tp.partition} ends at {end}, but its records up to {at} were learned: another log",
                fix="start the worker again",
            )
        if at is None or first is None or first <= at:
            self._seek(tp, at)
            return []
        self._seek(tp, first)
        reads = [place.cut(tp)] if place.offsets else []
        place.at = place.next = first
        return [*reads, Read(Fetched(tp.topic, tp.partition, place.epoch, at, first), is_gone=True)]

    def _seek(self, tp: TP, offset: int | None) -> None:
        self._consumer.incremental_unassign([TopicPartition(*tp)])
        self._consumer.incremental_assign([_at(tp, offset)])


_PASSING = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE,
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._WAIT_COORD,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
}
"""What a broker that is away, or starting, makes the client say."""


def _at(tp: TP, offset: int | None) -> TopicPartition:
    return TopicPartition(*tp, OFFSET_BEGINNING if offset is None else offset)
