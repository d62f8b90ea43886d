"""The one consume loop: partitions read from explicit offsets, outside of any group, in the transport's batches.

The follower, time travel, `lag`, `doctor`, the benches and whatever else reads a log without owning it stand on it.
Handled here and nowhere else:

- positions: every record once and in log order, from the start offset;
- offsets without a record (compacted, transaction markers, aborted records): inside a batch;
- the end of the log, deleted records, a log that ends before the position;
- a broker that is unreachable, moves a partition, or returns nothing although it has more (see `_judge`).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message

from stream_rec.bus.batch import Columns, Fetched
from stream_rec.bus.clients import reader, translated
from stream_rec.bus.naming import on_bus
from stream_rec.errors import ConfigError
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import BusSettings

_CHUNK = 250
"""Records taken from the client at once; the bound in bytes is checked in between."""
_MAX_POLL_MS = 86_400_000
"""The maximum: a reader without partitions does not poll for days."""
_ASK_SECONDS = 2.0
"""Timeout of a watermark query, made when nothing comes from the position."""
_LONGEST_WAIT_SECONDS = 5.0
"""Upper bound of the wait: the embedded broker may need long to find an offset."""
_PATIENCE = 4
"""Number of waits without records, although a partition has more, after which the cause is determined."""
_ENDED, _OUT_OF_RANGE = KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET
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
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
}
"""Errors of a broker that is unreachable or starting."""


class Start(NamedTuple):
    """Where to begin with a partition.

    Attributes:
        offset: of the first record; None = where the log begins.
        epoch: that its batches carry.
    """

    offset: int | None
    epoch: int = 0


class Read(NamedTuple):
    """What has come of one partition.

    Attributes:
        batch: may hold no record, when there is nothing but offsets without one.
        at_end: the log had no more to read when this was read; records of an open transaction are none yet.
        is_gone: the batch's offsets were deleted before they were read.
    """

    batch: Fetched
    at_end: bool = False
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class Fetching:
    """How much is fetched at once, and how long is waited for it.

    Attributes:
        max_records: upper bound of one read.
        max_bytes: about the upper bound of one read, and of what the client fetches ahead.
        wait_seconds: a read without news ends after this; a broker may hold an empty fetch for as long, until it shows
            that it needs longer.
        gather_seconds: a read goes on for so long after its first news, for the sake of fuller batches.
        client: librdkafka's settings beside these.
    """

    max_records: int
    max_bytes: int
    wait_seconds: float = 0.1
    gather_seconds: float = 0.0
    client: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(slots=True)
class _Place:
    """A partition being read: what has come of the next batch, and where it begins.

    Attributes:
        begin: of the next batch; None = not known yet.
        next: the offset to come; None = not known yet.
        at_end: whether the broker has said that there is nothing to read from `next` on.
        old_end: the end that the client remembers from before it was told to read this.
    """

    tp: TopicPartition
    epoch: int
    begin: int | None
    next: int | None
    old_end: int | None = None
    at_end: bool = False
    is_paused: bool = False
    columns: Columns = field(default_factory=Columns)

    def add(self, message: Message) -> int:
        """Take in a record, or the end of the log; how many bytes."""
        offset: int = message.offset()
        if self.begin is None:
            self.begin = offset
        self.at_end = message.error() is not None
        self.next = offset + (not self.at_end)
        if self.at_end:
            return 0
        return self.columns.add(message.key(), message.value(), offset, message.timestamp()[1])

    def cut(self) -> Read:
        """What has come; the next batch begins behind it."""
        assert self.begin is not None
        assert self.next is not None
        batch = self.columns.fetched(self.tp, self.epoch, self.begin, self.next)
        self.columns, self.begin = Columns(), self.next
        return Read(batch, self.at_end)


def following(bus: BusSettings, gather_seconds: float = 0.1) -> Fetching:
    """How those read who learn what they do not serve: `bus.follow_ahead_*` at once, and in full batches.

    Args:
        bus: with the bounds.
        gather_seconds: as in `Fetching`.
    """
    return Fetching(bus.follow_ahead_records, bus.follow_ahead_bytes, gather_seconds=gather_seconds)


class Reader:
    """Reads partitions. Not thread-safe. While the broker is unreachable, reads are empty; they resume at the position.

    Args:
        bus: addresses and bounds.
        fetching: bounds and waits; None = `following(bus)`.

    Raises:
        ConfigError: `bus.security` has a key or a value that librdkafka does not know.
    """

    def __init__(self, bus: BusSettings, fetching: Fetching | None = None) -> None:
        self._bus = bus
        self._fetching = fetching or following(bus)
        self._places: dict[TopicPartition, _Place] = {}
        self._by_name: dict[tuple[str, int], _Place] = {}
        self.wait_seconds = self._fetching.wait_seconds
        """The broker may hold an empty fetch for so long now."""
        self._fed_at = time.monotonic()
        self._consumer = self._connected()

    def _connected(self) -> Consumer:
        return reader(
            self._bus,
            {
                "enable.partition.eof": True,
                "auto.offset.reset": "error",  # what is gone is to be told, not passed over
                "fetch.wait.max.ms": max(1, int(self.wait_seconds * 1000)),
                "queued.min.messages": self._fetching.max_records,
                "fetch.queue.backoff.ms": 5,  # by itself it would wait a second when that many are queued
                "queued.max.messages.kbytes": max(1, self._fetching.max_bytes // 1024),
                "max.poll.interval.ms": _MAX_POLL_MS,
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": int(self._bus.backoff_max_seconds * 1000),
                **self._fetching.client,
            },
        )

    @property
    def patience_seconds(self) -> float:
        """Seconds without records, although there are some, after which the broker is given a longer wait."""
        return _PATIENCE * self.wait_seconds

    def begin(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Read these partitions from now on, and no others; none is paused."""
        self._places = {
            tp: _Place(tp, at.epoch, at.offset, at.offset, self._remembered_end(tp))
            for tp, at in starts.items()
        }
        self._by_name = {(self._on_bus(tp).topic, tp.partition): place for tp, place in self._places.items()}
        self._fed_at = time.monotonic()
        self._assign()

    def leave(self, partitions: Collection[TopicPartition]) -> None:
        """Read these no more; partitions that are not read anyway are passed over."""
        left = [self._on_bus(tp) for tp in partitions if self._places.pop(tp, None)]
        for at in left:
            del self._by_name[at.topic, at.partition]
        if left:
            self._consumer.incremental_unassign(left)

    def pause(self, tp: TopicPartition) -> None:
        """Fetch no more of a partition for now; what the client has of it already may still come."""
        if not self._places[tp].is_paused:
            self._places[tp].is_paused = True
            self._consumer.pause([self._on_bus(tp)])

    def resume(self, tp: TopicPartition) -> None:
        """Go on with a partition where it was."""
        if self._places[tp].is_paused:
            self._places[tp].is_paused = False
            self._consumer.resume([self._on_bus(tp)])

    def read(self) -> list[Read]:
        """What has come, a batch per partition; waits for news. Bounds and waits: `Fetching`.

        Raises:
            ConfigError: the broker refuses us, or a log ends before the position.
            Unavailable: an error that is neither transient nor handled.
        """
        news: dict[TopicPartition, _Place] = {}
        reads: list[Read] = []
        n_records = n_bytes = 0
        is_first = True
        while n_records < self._fetching.max_records and n_bytes < self._fetching.max_bytes:
            asked = min(_CHUNK, self._fetching.max_records - n_records)
            messages = self._wait(asked) if is_first else list(self._consumer.consume(asked, 0.0))
            for message in messages:
                place = self._by_name.get((message.topic(), message.partition()))
                error = message.error()
                if error is not None and error.code() != _ENDED:
                    reads += self._handle(error, place)
                elif place is not None and (place.next is None or message.offset() >= place.next):
                    n_bytes += place.add(message)
                    news[place.tp] = place
            n_records += len(messages)
            is_first = False
            if len(messages) < asked:
                break
        self._note(is_fed=bool(news))
        return reads + [place.cut() for place in news.values()]

    def ends(self) -> dict[TopicPartition, int]:
        """The next offset to be written, as of the last fetch; partitions that were not fetched yet are missing.

        It is the high watermark, on every broker: records of open transactions stand before it.
        """
        ends = {}
        for tp, place in self._places.items():
            end = self._remembered_end(tp)
            # While somebody else read the partition, the log went on, and the client did not hear of it.
            is_old = end == place.old_end and end is not None and place.next is not None and end < place.next
            if end is not None and not is_old:
                ends[tp] = end
        return ends

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()

    def _remembered_end(self, tp: TopicPartition) -> int | None:
        """The high watermark of the last fetch, from before `begin` if there was none since; None = no fetch yet."""
        with suppress(KafkaException):
            watermarks = self._consumer.get_watermark_offsets(self._on_bus(tp), cached=True)
            if watermarks is not None and watermarks[1] >= 0:
                return int(watermarks[1])
        return None

    def _wait(self, n: int) -> list[Message]:
        # `consume` alone would wait until it has all that it is asked for.
        first = self._consumer.poll(self._fetching.wait_seconds)
        if first is None:
            return []
        return [first, *self._consumer.consume(n - 1, self._fetching.gather_seconds)]

    def _handle(self, error: KafkaError, place: _Place | None) -> list[Read]:
        """Skip deleted records; ignore transient errors."""
        if error.code() == _OUT_OF_RANGE and place is not None:
            return self._pass_over(place)
        if error.fatal() or not (error.retriable() or error.code() in _PASSING):
            raise translated(KafkaException(error), self._bus, 0.0)
        return []

    def _pass_over(self, place: _Place) -> list[Read]:
        """The next offset is out of range."""
        at = place.next
        first, end = self._bounds(place) or (None, None)  # no answer: the seek below repeats the error
        if at is not None and end is not None and at > end:
            raise _another_log(place, end)
        if at is None or first is None or first <= at:
            self._seek(place)
            return []
        reads = [place.cut()] if place.columns else []
        place.begin = place.next = first
        self._seek(place)
        return [*reads, Read(Columns().fetched(place.tp, place.epoch, at, first), is_gone=True)]

    def _note(self, *, is_fed: bool) -> None:
        """Find out why nothing has come for `patience_seconds`, although there is more."""
        now = time.monotonic()
        ends = {} if is_fed else self.ends()
        hungry = [
            (place, ends[tp])
            for tp, place in self._places.items()
            if tp in ends and not place.is_paused and place.next not in (None, ends[tp])
        ]
        if not hungry:
            self._fed_at = now
        elif now - self._fed_at > self.patience_seconds:
            self._judge(hungry)
            self._fed_at = time.monotonic()

    def _judge(self, hungry: Iterable[tuple[_Place, int]]) -> None:
        """Give the broker a longer wait if it needs one.

        The embedded broker scans all batches of a partition for the fetch offset, and returns nothing if the wait ends
        first. An open transaction looks the same, but has nothing to read past the last stable offset: then the broker
        has reported the end at our position, and a watermark query, which goes by that offset, returns no more.
        """
        for place, end in hungry:
            assert place.next is not None
            bounds = self._bounds(place)
            if bounds is None:
                return
            if end < place.next:
                raise _another_log(place, end)
            if not place.at_end or bounds[1] > place.next:
                self._wait_longer()
                return

    def _bounds(self, place: _Place) -> tuple[int, int] | None:
        """First offset and end according to a query (see `bus.lag` for its flaw); None = no answer."""
        with suppress(KafkaException):
            first, end = self._consumer.get_watermark_offsets(self._on_bus(place.tp), timeout=_ASK_SECONDS)
            return first, end
        return None

    def _wait_longer(self) -> None:
        """Continue with a new client: the wait of one cannot be changed."""
        self.wait_seconds = min(2 * self.wait_seconds, _LONGEST_WAIT_SECONDS)
        self._consumer.close()
        self._consumer = self._connected()
        self._assign()

    def _assign(self) -> None:
        self._consumer.assign([self._from(place) for place in self._places.values()])
        if paused := [self._on_bus(tp) for tp, place in self._places.items() if place.is_paused]:
            self._consumer.pause(paused)

    def _seek(self, place: _Place) -> None:
        self._consumer.incremental_unassign([self._on_bus(place.tp)])
        self._consumer.incremental_assign([self._from(place)])
        if place.is_paused:
            self._consumer.pause([self._on_bus(place.tp)])

    def _from(self, place: _Place) -> Any:
        return self._on_bus(place.tp, OFFSET_BEGINNING if place.next is None else place.next)

    def _on_bus(self, tp: TopicPartition, *offset: int) -> Any:
        return on_bus(self._bus.prefix, tp, *offset)


def _another_log(place: _Place, end: int) -> ConfigError:
    return ConfigError(
        f"{place.tp} ends at {end}, before offset {place.next} that is to be read next: "
        "the topic was deleted and recreated, or has lost records",
        fix="restart: the log that is there now is read from its beginning",
    )
