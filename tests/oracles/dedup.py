"""Repeats found with a deque and a set."""

from __future__ import annotations

from collections import deque


class SlowRepeats:
    """The last `window` different ids."""

    def __init__(self, window: int) -> None:
        self.order: deque[str] = deque()
        self.known: set[str] = set()
        self.window = window

    def is_repeat(self, name: str) -> bool:
        """Look for an id, then take it in; "" is none."""
        if name in self.known:
            return True
        if name:
            if len(self.order) == self.window:
                self.known.remove(self.order.popleft())
            self.order.append(name)
            self.known.add(name)
        return False
