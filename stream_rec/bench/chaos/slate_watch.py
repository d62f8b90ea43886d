"""A reader of slates that never looks away: no user may see a slate older than one seen before."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from stream_rec.clock import Clock
from stream_rec.errors import Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.store.keys import Keys
from stream_rec.store.sync_connection import connect_sync

_POLL_SECONDS = 0.1
_HEAD = re.compile(rb'\{"as_of":\{"log":"([^"]+)","partition":(\d+),"offset":(\d+),')
_HEAD_BYTES = 256


class Seen(NamedTuple):
    """Up to which event a slate knows."""

    log: bytes
    partition: int
    offset: int


@dataclass
class Mark:
    """When did each of these partitions have a slate that knows an event which was sent after some moment?

    Attributes:
        partitions: of `events`.
        began: from when on seconds are counted; the watch's clock.
        sent_after: that moment.
        offsets: by partition, of the first event that was sent after it, as far as it is known.
        reached: seconds, by partition, as far as it has happened.
    """

    partitions: frozenset[int]
    began: float
    sent_after: float
    offsets: dict[int, int] = field(default_factory=dict)
    reached: dict[int, float] = field(default_factory=dict)

    @property
    def late(self) -> list[int]:
        """Partitions that have no such slate yet."""
        return sorted(self.partitions - self.reached.keys())


class SlateWatch(threading.Thread):
    """Reads the heads of all users' slates ten times a second.

    Args:
        store: where from.
        users: whose.
        clock: for marks.

    Attributes:
        violations: slates that were older than one seen before, in words.
    """

    def __init__(self, store: StoreSettings, users: Sequence[str], clock: Clock) -> None:
        super().__init__(name="slate watch", daemon=True)
        self._store = store
        self._users = users
        self._clock = clock
        keys = Keys(store.prefix)
        self._keys = [keys.slate("default", user) for user in users]
        self._heads: list[bytes] = [b""] * len(users)
        self._marks: list[Mark] = []
        self._seen: dict[str, Seen] = {}
        self._now: dict[str, Seen] = {}
        self._over = threading.Event()
        self._failure: Exception | None = None
        self.violations: list[str] = []

    def mark(self, partitions: Iterable[int], began: float, sent_after: float | None = None) -> Mark:
        """Note from now on when slates of these partitions know events that were sent after a moment.

        Args:
            partitions: of `events`.
            began: from when on seconds are counted.
            sent_after: that moment; None = `began`.
        """
        mark = Mark(frozenset(partitions), began, began if sent_after is None else sent_after)
        self._marks = [*(mark for mark in self._marks if mark.late), mark]
        return mark

    def sent(self, partition: int, offset: int, at: float) -> None:
        """An event is in the log; in the order of the log. Any thread."""
        for mark in self._marks:
            if at > mark.sent_after:
                mark.offsets.setdefault(partition, offset)

    def behind(self, last: Mapping[str, tuple[int, int]]) -> dict[str, Seen | None]:
        """Users whose slate does not know their last event (partition, offset); as of the last look.

        Raises:
            Exception: what ended the watch.
        """
        if self._failure is not None:
            raise self._failure
        now = self._now
        behind = {}
        for user, (partition, offset) in last.items():
            slate = now.get(user)
            if slate is None or slate.partition != partition or slate.offset < offset:
                behind[user] = slate
        return behind

    def end(self) -> None:
        """Look away."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """The thread."""
        try:
            with connect_sync(self._store) as connection:
                while not self._over.wait(_POLL_SECONDS):
                    try:
                        heads = connection.pipeline(
                            [("GETRANGE", key, 0, _HEAD_BYTES - 1) for key in self._keys]
                        )
                    except Unavailable:
                        continue
                    self._look(heads)
        except Exception as error:  # noqa: BLE001 - raised by `behind`
            self._failure = error

    def _look(self, heads: list[bytes]) -> None:
        at = self._clock.monotonic()
        now = dict(self._now)
        for user, before, head in zip(self._users, self._heads, heads, strict=True):
            if head == before:
                continue
            if not head:
                now.pop(user, None)
            elif found := _HEAD.match(head):
                now[user] = Seen(found[1], int(found[2]), int(found[3]))
                self._compare(user, now[user])
                self._note(at, now[user])
            else:
                self.violations.append(f"slate of {user}: its head cannot be read: {head[:80]!r}")
        self._heads, self._now = heads, now

    def _compare(self, user: str, slate: Seen) -> None:
        seen = self._seen.get(user)
        if seen is not None and seen[:2] == slate[:2] and slate.offset < seen.offset:
            self.violations.append(
                f"slate of {user}: offset {slate.offset} of events/{slate.partition} after {seen.offset} was seen"
            )
        self._seen[user] = slate

    def _note(self, at: float, slate: Seen) -> None:
        for mark in self._marks:
            offset = mark.offsets.get(slate.partition)
            if slate.partition in mark.partitions and offset is not None and slate.offset >= offset:
                mark.reached.setdefault(slate.partition, at - mark.began)
