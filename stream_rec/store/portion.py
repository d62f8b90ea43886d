"""How much is sent to Redis at once: less when it does not get through in time."""

from __future__ import annotations

from stream_rec import logs
from stream_rec.clock import Clock

GROW_AFTER_SECONDS = 60.0
"""So long after a portion was too large a larger one is not tried."""


class Portion:
    """Keys in one pipeline. Halved when a pipeline outlasts the timeout, so that a batch gets through a slow link.

    Args:
        largest: `store.pipeline_keys`.
        clock: when to try more again.

    Attributes:
        keys: at most so many now; at least 1.
    """

    def __init__(self, largest: int, clock: Clock) -> None:
        self._largest = largest
        self._clock = clock
        self._grow_at = 0.0
        self.keys = largest

    def too_slow(self, keys: int) -> None:
        """A pipeline of at most so many keys was not answered in time."""
        self._grow_at = self._clock.monotonic() + GROW_AFTER_SECONDS
        if 1 < keys == self.keys:
            self.keys = keys // 2
            logs.get("recommend").warning("redis is slow: sending less at once", keys=self.keys)

    def went_through(self) -> None:
        """A whole batch did, in portions of `keys`."""
        if self.keys < self._largest and self._clock.monotonic() >= self._grow_at:
            self.keys = min(2 * self.keys, self._largest)
            self._grow_at = self._clock.monotonic() + GROW_AFTER_SECONDS
