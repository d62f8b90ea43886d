"""How many records make a slice that the engine learns in a given time."""

from __future__ import annotations

_FIRST_SECONDS = 50e-6
"""A record is taken to cost this before any has been measured: more than it does."""
_WEIGHT = 0.2
"""Of the newest measurement in the running mean."""


class SliceSize:
    """Measures what a record costs, topic by topic.

    Args:
        slice_seconds: the time that a slice may take.
        most: the most records in a slice.
    """

    def __init__(self, slice_seconds: float, most: int) -> None:
        self._slice_seconds = slice_seconds
        self._most = most
        self._record_seconds: dict[str, float] = {}

    def records(self, topic: str) -> int:
        """Records in the next slice; 1 at least."""
        return max(1, min(self._most, int(self._slice_seconds / self._cost(topic))))

    def note(self, topic: str, records: int, seconds: float) -> None:
        """A slice took so long."""
        if records:
            cost = self._cost(topic)
            self._record_seconds[topic] = cost + _WEIGHT * (seconds / records - cost)

    def _cost(self, topic: str) -> float:
        return max(1e-9, self._record_seconds.get(topic, _FIRST_SECONDS))
