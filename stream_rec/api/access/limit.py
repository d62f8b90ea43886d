"""A bound on the requests of each key, in this server."""

from __future__ import annotations

from collections import OrderedDict

from stream_rec.clock import Clock

_BURST_SECONDS = 2.0
"""What was not used is saved up for so long."""
_MAX_KEYS = 4096
"""Of a key that was used longest ago it is forgotten what it has left: it may begin anew."""


class Limits:
    """One bucket for each key that has a limit.

    Args:
        clock: fills the buckets.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key_id: str, per_second: float) -> float:
        """Seconds until a request of the key may be answered; 0 = this one may."""
        now, most = self._clock.monotonic(), max(1.0, per_second * _BURST_SECONDS)
        level, at = self._filled.pop(key_id, (most, now))
        level = min(most, level + (now - at) * per_second)
        self._filled[key_id] = (level - 1.0 if level >= 1.0 else level, now)
        if len(self._filled) > _MAX_KEYS:
            self._filled.popitem(last=False)
        return 0.0 if level >= 1.0 else (1.0 - level) / per_second
