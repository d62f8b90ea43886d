"""How long writes to Redis have been failing, for the readiness probe."""

from __future__ import annotations

from stream_rec.clock import Clock


class Writes:
    """Notes how writes end, by what was written. Read from any thread.

    A worker reports to Redis every second, so that even without traffic something is tried; slates are judged by
    themselves, because in a cluster they may be refused where the report is not.

    Args:
        clock: measures.
        unready_seconds: `store.unready_seconds`.
        patience_seconds: what failed and was not tried again for so long is not wanted any more: its partition went to
            another worker.
    """

    def __init__(self, clock: Clock, unready_seconds: float, patience_seconds: float) -> None:
        self._clock = clock
        self._unready_seconds = unready_seconds
        self._patience_seconds = patience_seconds
        self._failing: dict[str, tuple[float, float]] = {}
        self._began = self._last = clock.monotonic()

    def succeeded(self, what: str) -> None:
        """A write succeeded."""
        self._failing.pop(what, None)
        self._last = self._clock.monotonic()

    def failed(self, what: str) -> None:
        """A write failed."""
        now = self._clock.monotonic()
        since, _ = self._failing.get(what, (now, now))
        self._failing[what] = (since, now)

    def why_not(self) -> str:
        """Why a worker is not ready; "" = writes succeed, or have not failed for long."""
        seconds = self.seconds_in_vain()
        return f"writes to redis have failed for {seconds:.0f} s" if seconds >= self._unready_seconds else ""

    def seconds_since_last(self) -> float:
        """How long ago anything was written; since the start, if nothing was."""
        return self._clock.monotonic() - self._last

    def seconds_in_vain(self) -> float:
        """For how long what is still being tried has failed; 0.0 = the last write of each kind went through."""
        now = self._clock.monotonic()
        waiting = [
            since for since, last in self._failing.copy().values() if now - last <= self._patience_seconds
        ]
        return now - min(waiting, default=now)
