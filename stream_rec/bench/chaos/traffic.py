"""Steady traffic from a seed: few users, few items, decisions, and a producer that repeats itself now and then."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from functools import partial

from stream_rec.bench.chaos.shoppers import Shoppers
from stream_rec.bench.chaos.steering import N_ITEMS, NEVER, Guests, Steering, item_name
from stream_rec.clock import Clock
from stream_rec.errors import Unavailable
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Impression, Interaction
from stream_rec.schemas.topics import UNKNOWN_OFFSET, Ack
from stream_rec.settings import BusSettings

USERS = tuple(f"user-{n}" for n in range(400))
NEVERS = 0.003
"""Share of events by which a user says never to see an item again."""
REPEATED = 0.02
"""Share of events that are sent again, with the same event_id."""
WITH_ID = 0.5
"""Share of events that have an event_id. The others have nothing but their position to tell a repeat by."""
_REMEMBERED = 200
_TICK_SECONDS = 0.05
_PATIENCE_SECONDS = 180.0
"""A record may wait so long for a broker that is away."""


class Traffic(threading.Thread):
    """Publishes until `end`, or until something goes wrong, which `check` raises.

    Args:
        bus: where to.
        rate: events per second.
        seed: of users, items and repeats.
        clock: paces, and stamps the events.

    Attributes:
        n: events sent so far.
        ends: by partition, the offset after the last event that is known to be in the log.
        shown_ends: the same of `impressions`.
        on_ack: told of each event's partition and offset, and when it was sent (the clock's monotonic time).
        steering: what was decided.
        guests: those who act for a while, and are forgotten.
    """

    def __init__(self, bus: BusSettings, rate: float, seed: int, clock: Clock) -> None:
        super().__init__(name="traffic", daemon=True)
        # A topic is asked for at its first record, also while the broker restarts.
        patience = dict.fromkeys(("publish_timeout_seconds", "admin_timeout_seconds"), _PATIENCE_SECONDS)
        self._bus = bus.model_copy(update=patience)
        self._rate = rate
        self._rng = random.Random(seed)
        self._clock = clock
        self._recent: deque[Interaction] = deque(maxlen=_REMEMBERED)
        self._flowing, self._still, self._over = threading.Event(), threading.Event(), threading.Event()
        self._extra = 0
        self._failure: Exception | None = None
        self.steering = Steering(seed)
        self.guests = Guests()
        self._shoppers = Shoppers(N_ITEMS, clock.now())
        self.n = 0
        self.ends: dict[int, int] = {}
        self.shown_ends: dict[int, int] = {}
        self.on_ack: Callable[[int, int, float], None] = lambda _partition, _offset, _sent: None

    def check(self) -> None:
        """Raise what ended the traffic, if anything did."""
        if self._failure is not None:
            raise self._failure

    def burst(self, n: int) -> None:
        """So many events more, at once: the workers' hands are full for a moment."""
        self._extra = n

    def resume(self) -> None:
        """Let it flow."""
        self._still.clear()
        self._flowing.set()

    def pause(self) -> None:
        """Stop, and return when everything that was sent is in the log."""
        self._flowing.clear()
        if not self._still.wait(_PATIENCE_SECONDS):
            raise Unavailable(
                "kafka", "it takes no events", waited_seconds=_PATIENCE_SECONDS
            ) from self._failure
        self.check()

    def end(self) -> None:
        """For good."""
        self._over.set()
        self._flowing.set()
        self.join(_PATIENCE_SECONDS)

    def run(self) -> None:
        """The thread."""
        try:
            with Publisher(self._bus) as publisher:
                self.steering.begin(publisher, self._clock.now())
                while not self._over.is_set():
                    self._flow(publisher)
        except Exception as error:  # noqa: BLE001 - raised by `check`
            self._failure = error
            self._still.set()

    def _flow(self, publisher: Publisher) -> None:
        """Send what is due until told to pause."""
        self._flowing.wait()
        began, sent = self._clock.monotonic(), 0
        while self._flowing.is_set() and not self._over.is_set():
            extra, self._extra = self._extra, 0
            due = int((self._clock.monotonic() - began) * self._rate) - sent
            for _ in range(due + extra):
                event = self._next()
                publisher.send(event, partial(self._acked, event.user_id, self._clock.monotonic()))
                self.steering.decide(publisher, self._clock.now())
                self._shop(publisher)
            for guest in self.guests.leave():
                self.steering.forget(publisher, guest, self._clock.now())
            sent += due
            self.n += due + extra
            publisher.poll(_TICK_SECONDS)
        publisher.flush()
        self._still.set()

    def _shop(self, publisher: Publisher) -> None:
        for record in self._shoppers.next(self._rng, self._clock.now()):
            if isinstance(record, Impression):
                publisher.send(record, self._shown)
            else:
                publisher.send(record, partial(self._acked, record.user_id, self._clock.monotonic()))

    def _shown(self, ack: Ack) -> None:
        if ack.offset != UNKNOWN_OFFSET:
            self.shown_ends[ack.partition] = max(self.shown_ends.get(ack.partition, 0), ack.offset + 1)

    def _acked(self, user: str, sent: float, ack: Ack) -> None:
        self.guests.acked(user)
        if ack.offset != UNKNOWN_OFFSET:
            self.ends[ack.partition] = max(self.ends.get(ack.partition, 0), ack.offset + 1)
            self.on_ack(ack.partition, ack.offset, sent)

    def _next(self) -> Interaction:
        rng = self._rng
        if self._recent and rng.random() < REPEATED:
            return rng.choice(self._recent)
        guest = self.guests.next(rng)
        event = Interaction(
            guest or rng.choice(USERS),
            item_name(rng),
            NEVER if not guest and rng.random() < NEVERS else "click",
            self._clock.now(),
            event_id=f"event-{rng.getrandbits(64):x}" if rng.random() < WITH_ID else None,
        )
        if event.event_type == NEVER:
            self.steering.nevers[event.user_id].add(event.item_id)
        if event.event_id and not guest:
            self._recent.append(event)
        return event
