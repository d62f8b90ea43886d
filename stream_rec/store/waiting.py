"""Retrying while a server is down, until it answers or there is a reason to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.errors import StreamRecError, Unavailable
from stream_rec.settings import StoreSettings

FIRST_PAUSE_SECONDS = 0.05
LOG_EVERY_SECONDS = 5.0

T = TypeVar("T")


class Stop(Protocol):
    """A reason to stop waiting: revocation, SIGTERM. asyncio.Event is one."""

    def is_set(self) -> bool:
        """Has it come."""
        ...

    async def wait(self) -> object:
        """Return when it is set."""
        ...


class WaitEnded(StreamRecError):
    """A reason to stop came before the server answered. Drop the batch unacknowledged; it will be redelivered.

    Args:
        what: what was not done.
        waited_seconds: time spent waiting for the server.
    """

    def __init__(self, what: str, waited_seconds: float) -> None:
        super().__init__(f"gave up after {waited_seconds:.1f} s, stopped: {what}")
        self.what = what
        self.waited_seconds = waited_seconds


async def until_available(
    attempt: Callable[[], Awaitable[T]],
    *,
    what: str,
    stops: Sequence[Stop],
    settings: StoreSettings,
    clock: Clock,
    lines: logs.Occasional | None = None,
) -> T:
    """Call `attempt` until it does not raise `Unavailable`; pauses double up to `backoff_max_seconds`.

    A stop ends the waiting, not the work: an attempt that is under way, or the first one, has
    `stop_grace_seconds` to succeed and is then cancelled. So a batch in hand at SIGTERM is finished if the
    server answers, and dropped if not.

    Args:
        attempt: starts the operation; harmless to repeat.
        what: the operation, for the log: "write 212 slates of events/3".
        stops: events, any of which ends the waiting.
        settings: backoff and grace.
        clock: measures the wait.
        lines: bounds what all who share it log of a server that is away; None = nobody else waits.

    Raises:
        WaitEnded: a stop came.
        Exception: whatever else `attempt` raises.
    """
    began = clock.monotonic()
    pause = FIRST_PAUSE_SECONDS
    lines = lines or logs.Occasional(clock, LOG_EVERY_SECONDS)
    has_said = False
    while True:
        try:
            answer = await _attempt(attempt, stops, settings.stop_grace_seconds)
        except _Dropped:
            raise WaitEnded(what, clock.monotonic() - began) from None
        except Unavailable as error:
            waited = clock.monotonic() - began
            if lines.note(error.service):
                has_said = True
                _say(f"waiting for {error.service}", what, waited, error=error.detail)
        else:
            if has_said:
                _say("server answered again", what, clock.monotonic() - began)
            return answer
        if await _stopped_within(min(pause, settings.backoff_max_seconds), stops):
            raise WaitEnded(what, clock.monotonic() - began)
        pause = min(2 * pause, settings.backoff_max_seconds)


class _Dropped(Exception):
    """The attempt was cancelled: a stop came, and the grace passed."""


async def _attempt(attempt: Callable[[], Awaitable[T]], stops: Sequence[Stop], grace_seconds: float) -> T:
    work = asyncio.ensure_future(attempt())
    watches = [asyncio.ensure_future(stop.wait()) for stop in stops]
    try:
        await asyncio.wait([work, *watches], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([work], timeout=grace_seconds)
        if work.done():
            return work.result()
        work.cancel()  # and give it time to clean up
        await asyncio.wait([work], timeout=grace_seconds)
        raise _Dropped
    finally:
        for future in (work, *watches):
            future.cancel()


async def _stopped_within(seconds: float, stops: Sequence[Stop]) -> bool:
    """Pause; True at once when one of the stops has come."""
    watches = [asyncio.ensure_future(stop.wait()) for stop in stops]
    pause = asyncio.ensure_future(asyncio.sleep(seconds))
    try:
        await asyncio.wait([pause, *watches], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in (pause, *watches):
            future.cancel()
    return any(stop.is_set() for stop in stops)


def _say(event: str, what: str, waited_seconds: float, **fields: object) -> None:
    logs.get("recommend").warning(event, to=what, waited_seconds=round(waited_seconds, 1), **fields)
