"""Freshness as users see it: from publishing an event to a slate in Redis that reflects it.

Sampled events are watched from outside the worker. The clock starts just before the event is handed to the
producer. The producer's acknowledgement tells its partition and offset; then the user's slate is read from
Redis every `POLL_SECONDS` until its `as_of` is that partition at that offset or later.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from stream_rec.clock import Clock, SystemClock
from stream_rec.errors import Unavailable
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import AsOf, Interaction, PublishedRecord
from stream_rec.schemas.topics import Ack
from stream_rec.settings import BusSettings, IngestSettings, StoreSettings
from stream_rec.store.keys import Keys
from stream_rec.store.sync_connection import connect_sync

POLL_SECONDS = 0.001
MAX_WATCHED = 32
"""Events watched at once; more are not taken, so that watching stays cheap beside what it measures."""
MAX_KEPT = 100_000
GIVE_UP_SECONDS = 30.0


class Watched(NamedTuple):
    """An event whose slate is awaited."""

    user_id: str
    partition: int
    offset: int
    sent_at: float


class _Head(msgspec.Struct, frozen=True):
    as_of: AsOf


_decode = msgspec.json.Decoder(_Head).decode


class FreshnessProbe:
    """Watches sampled events in a thread of its own. Use as a context manager.

    Args:
        store: where slates are read.
        scenario: whose slates.
        clock: both ends are read on it.

    Attributes:
        n_given_up: events whose slate did not come within `GIVE_UP_SECONDS`.
    """

    def __init__(self, store: StoreSettings, scenario: str = "default", clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.n_given_up = 0
        self._redis = connect_sync(store)
        self._keys = Keys(store.prefix)
        self._scenario = scenario
        self._lock = threading.Lock()
        self._watched: list[Watched] = []
        self._seconds: deque[float] = deque(maxlen=MAX_KEPT)
        self._stop = threading.Event()
        self._failure: Unavailable | None = None
        self._thread = threading.Thread(target=self._run, name="freshness", daemon=True)

    @property
    def has_room(self) -> bool:
        """Whether another event may be watched now."""
        return len(self._watched) < MAX_WATCHED

    def watch(self, event: Watched) -> None:
        """Await this event's slate. Not taken when there is no room."""
        with self._lock:
            if self.has_room:
                self._watched.append(event)

    def seconds(self) -> list[float]:
        """All measured so far (the last `MAX_KEPT`), in the order of arrival.

        Raises:
            Unavailable: Redis went away, so there is nothing to measure.
        """
        if self._failure is not None:
            raise self._failure
        with self._lock:
            return list(self._seconds)

    def drain(self, deadline_seconds: float) -> None:
        """Wait until nothing is watched any more, up to a deadline."""
        end = self.clock.monotonic() + deadline_seconds
        while self._watched and self._failure is None and self.clock.monotonic() < end:
            self._stop.wait(POLL_SECONDS)

    def __enter__(self) -> FreshnessProbe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._redis.close()

    def _run(self) -> None:
        try:
            while not self._stop.wait(POLL_SECONDS):
                if self._watched:
                    self._look()
        except Unavailable as error:
            self._failure = error

    def _look(self) -> None:
        with self._lock:
            watched = tuple(self._watched)
        answers = self._redis.pipeline(
            [("GET", self._keys.slate(self._scenario, event.user_id)) for event in watched]
        )
        now = self.clock.monotonic()
        done = {event for event, raw in zip(watched, answers, strict=True) if _knows(raw, event)}
        late = {event for event in watched if now - event.sent_at > GIVE_UP_SECONDS} - done
        with self._lock:
            self._seconds.extend(now - event.sent_at for event in watched if event in done)
            self._watched = [event for event in self._watched if event not in done and event not in late]
            self.n_given_up += len(late)


def _knows(raw: object, event: Watched) -> bool:
    """Whether this reply of GET holds a slate that reflects the event."""
    if not isinstance(raw, bytes):
        return False
    try:
        as_of = _decode(raw).as_of
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return as_of.partition == event.partition and as_of.offset >= event.offset


class WatchedPublisher(Publisher):
    """A publisher that has the probe watch some of the events it sends, evenly over time.

    Args:
        bus: where to.
        ingest: as `Publisher`.
        probe: watches; must be running.
        per_second: events to be watched, at most.
    """

    def __init__(
        self, bus: BusSettings, ingest: IngestSettings, probe: FreshnessProbe, per_second: float
    ) -> None:
        super().__init__(bus, ingest, clock=probe.clock)
        self._probe = probe
        self._pause = 1.0 / per_second
        self._next = probe.clock.monotonic()

    def send(self, record: PublishedRecord, on_ack: Callable[[Ack], None] | None = None) -> None:
        """As `Publisher.send`."""
        now = self._probe.clock.monotonic()
        if now < self._next or not isinstance(record, Interaction) or not self._probe.has_room:
            super().send(record, on_ack)
            return
        self._next = now + self._pause
        user = record.user_id

        def acknowledged(ack: Ack) -> None:
            self._probe.watch(Watched(user, ack.partition, ack.offset, now))
            if on_ack:
                on_ack(ack)

        super().send(record, acknowledged)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed, without interpolation; nan when empty."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
