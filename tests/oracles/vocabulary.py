"""Ids to rows in plain lists."""

from __future__ import annotations

import math


class SlowVocabulary:
    """When all rows are taken, the longest silent of the next `sweep` rows goes (the first of equals)."""

    def __init__(self, n_rows: int, sweep: int) -> None:
        self.n_rows, self.sweep = n_rows, sweep
        self.ids: list[str | None] = []
        self.seen: list[float] = []
        self.hand = 0
        self.evicted = 0

    def find(self, name: str) -> int:
        return self.ids.index(name) if name in self.ids else -1

    def insert(self, name: str, ts: float) -> int:
        if len(self.ids) < self.n_rows:
            self.ids.append(None)
            self.seen.append(0.0)
            row = len(self.ids) - 1
        else:
            looked_at = [(self.hand + i) % self.n_rows for i in range(min(self.sweep, self.n_rows))]
            row = min(looked_at, key=lambda r: self.seen[r])
            self.hand = (self.hand + self.sweep) % self.n_rows
            self.evicted += self.ids[row] is not None
        self.ids[row], self.seen[row] = name, ts
        return row

    def unlink(self, name: str) -> None:
        row = self.ids.index(name)
        self.ids[row], self.seen[row] = None, -math.inf
