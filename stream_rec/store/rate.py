"""A bound on how fast something is done."""

from __future__ import annotations

from stream_rec.clock import Clock


class RateLimiter:
    """At most `per_second` of something, evenly: what was not used is not saved up."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._seconds_each = 1.0 / per_second
        self._clock = clock
        self._free_at = clock.monotonic()

    def reserve(self, n: int) -> float:
        """Book n; the seconds to wait before doing them. The caller waits, so that it can be interrupted."""
        now = self._clock.monotonic()
        begin = max(now, self._free_at)
        self._free_at = begin + n * self._seconds_each
        return begin - now
