"""Reading recommendations from one's own code.

with Client.at("redis://localhost:6379/0") as client:
    ack = publisher.publish(click)
    answer = client.recommendations(click.user_id, after=ack)
    for place in answer.items:
        print(place.item_id, place.score, place.reason)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol

from stream_rec.clock import Clock, SystemClock
from stream_rec.schemas.records import Reason, Slate, SlateItem
from stream_rec.serve.fallback import session_slate
from stream_rec.settings import StoreSettings
from stream_rec.store.keys import TopName
from stream_rec.store.reader import Reader

_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.05

Origin = Literal["personal", "session", "popular", "none"]


class Position(Protocol):
    """Where an event stands in the topic `events`; the publisher's Ack is one."""

    @property
    def partition(self) -> int:
        """Its partition."""
        ...

    @property
    def offset(self) -> int:
        """Its offset there."""
        ...


@dataclass(frozen=True, slots=True)
class Recommendations:
    """An answer.

    Attributes:
        items: best first, removed items left out.
        origin: `personal` = the user's slate; `session` = from the session's items; `popular`; `none` = Redis
            holds nothing for this tenant yet, and `items` is empty.
        stale: the event given as `after` is not in it: it was not learned in time.
        slate: as written, removed items included; for impressions (`slate_id`). None = not personal.
    """

    items: tuple[SlateItem, ...]
    origin: Origin
    stale: bool
    slate: Slate | None


class Client:
    """Reads slates and lists of one tenant. Thread-safe; make one per process.

    Every reading method raises Unavailable when Redis does not answer within `store.timeout_seconds`, and
    ConfigError when it refuses us.

    Args:
        settings: of the store; `url` and `prefix` as the workers have them.
        clock: for timeouts.
        log: incarnation of the topic `events` that acks come from (`as_of.log`). Give it if the topic may
            have been made anew while Redis kept slates of the old one: offsets begin at 0 again, and an old
            slate would look new.

    Raises:
        ConfigError: the URL is missing or wrong.
    """

    def __init__(
        self, settings: StoreSettings, *, clock: Clock | None = None, log: str | None = None
    ) -> None:
        self._reader = Reader(settings)
        self._clock = clock or SystemClock()
        self._log = log

    @classmethod
    def at(cls, url: str, *, prefix: str = "") -> Client:
        """With default settings."""
        return cls(StoreSettings(url=url, prefix=prefix))

    def recommendations(
        self,
        user_id: str,
        scenario: str = "default",
        *,
        k: int = 20,
        after: Position | None = None,
        timeout_seconds: float = 1.0,
        session: Sequence[str] = (),
    ) -> Recommendations:
        """The user's recommendations; for a user without a slate from the session, else what is popular.

        Args:
            user_id: who.
            scenario: which of the user's slates.
            k: items, at most.
            after: wait for a slate that knows this event.
            timeout_seconds: how long to wait for that; then comes what there is, marked stale.
            session: items of the running session, latest last, for users that have no slate yet.
        """
        slate, stale = self._wait(user_id, scenario, after, timeout_seconds)
        if slate and (items := self._available(slate.items, k)):
            return Recommendations(items, "personal", stale, slate)
        if session and (items := self._from_session(session, k)):
            return Recommendations(items, "session", stale, None)
        items = self._top("popular", k)
        return Recommendations(items, "popular" if items else "none", stale, None)

    def similar(self, item_id: str, *, k: int = 20) -> tuple[SlateItem, ...]:
        """Items like this one, best first; empty = the item is unknown, removed, or has no neighbours yet."""
        (found,) = self._reader.similar([item_id])
        if found is None:
            return ()
        reason = Reason("similar", item_id)
        return self._available([SlateItem(i.item_id, i.score, reason) for i in found.items], k)

    def popular(self, *, k: int = 20) -> tuple[SlateItem, ...]:
        """What is popular; empty = nothing has been learned yet."""
        return self._top("popular", k)

    def trending(self, *, k: int = 20) -> tuple[SlateItem, ...]:
        """What grows; empty = nothing does."""
        return self._top("trending", k)

    def new(self, *, k: int = 20) -> tuple[SlateItem, ...]:
        """What came last into the catalogue; empty = nothing did."""
        return self._top("new", k)

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(
        self, user_id: str, scenario: str, after: Position | None, timeout_seconds: float
    ) -> tuple[Slate | None, bool]:
        """The slate, and is it stale."""
        deadline = self._clock.monotonic() + timeout_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            slate = self._reader.slate(user_id, scenario)
            if after is None or (slate is not None and self._knows(slate, after)):
                return slate, False
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return slate, True
            time.sleep(min(pause, left))
            pause = min(1.5 * pause, _LONGEST_PAUSE_SECONDS)

    def _knows(self, slate: Slate, event: Position) -> bool:
        as_of = slate.as_of
        same = as_of.partition == event.partition and self._log in (None, as_of.log)
        return same and as_of.offset >= event.offset

    def _from_session(self, session: Sequence[str], k: int) -> tuple[SlateItem, ...]:
        return self._available(session_slate(session, self._reader.similar), k)

    def _top(self, name: TopName, k: int) -> tuple[SlateItem, ...]:
        found = self._reader.top(name)
        if found is None:
            return ()
        reason = Reason(name)
        return self._available([SlateItem(i.item_id, i.score, reason) for i in found.items], k)

    def _available(self, items: Sequence[SlateItem], k: int) -> tuple[SlateItem, ...]:
        removed = self._reader.removed([place.item_id for place in items])
        return tuple([place for place in items if place.item_id not in removed][:k])
