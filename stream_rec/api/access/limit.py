"""A bound on the requests of each key, in this server."""

from __future__ import annotations

from stream_rec.clock import Clock

_BURST_SECONDS = 2.0
"""What was not used is saved up for so long."""


class Limits:
    """One bucket for each key that has a limit; as many as there are keys.

    Args:
        clock: fills the buckets.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._filled: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str, per_second: float) -> bool:
        """May this request of the key be answered?"""
        now, most = self._clock.monotonic(), max(1.0, per_second * _BURST_SECONDS)
        level, at = self._filled.get(key_id, (most, now))
        level = min(most, level + (now - at) * per_second)
        self._filled[key_id] = (level - 1.0 if level >= 1.0 else level, now)
        return level >= 1.0

    def forget(self, key_id: str) -> None:
        """The key is no more."""
        self._filled.pop(key_id, None)
