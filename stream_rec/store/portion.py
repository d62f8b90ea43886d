"""How much is sent to Redis at once: less after a timeout."""

from __future__ import annotations

from stream_rec import logs

_QUICK = 0.25
"""Share of the timeout: a pipeline that took less may be doubled."""


class Portion:
    """Keys in one pipeline. Halved when a pipeline outlasts the timeout, so that a batch gets through a slow link.

    Args:
        largest: `store.pipeline_keys`.
        timeout_seconds: `store.timeout_seconds`.

    Attributes:
        keys: present bound; at least 1.
    """

    def __init__(self, largest: int, timeout_seconds: float) -> None:
        self._largest = largest
        self._quick_seconds = _QUICK * timeout_seconds
        self.keys = largest

    def too_slow(self, keys: int) -> None:
        """A pipeline of at most so many keys timed out."""
        if 1 < keys == self.keys:
            self.keys = keys // 2
            logs.get("recommend").warning("redis is slow: smaller pipelines", keys=self.keys)

    def went_through(self, seconds: float) -> None:
        """A whole batch got through; its slowest pipeline took so long."""
        if seconds < self._quick_seconds:
            self.keys = min(2 * self.keys, self._largest)
