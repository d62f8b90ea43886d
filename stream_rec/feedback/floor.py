"""How good slates would be, minute by minute of the broker's time: what a floor under quality is held against."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

MAX_MINUTES = 240
"""That are remembered, and that a floor can ask for."""
LEAST_JUDGED = 100
"""Events in the minutes asked for; of fewer nothing is said."""
_MS = 60_000


class Quality:
    """The fresh hit-rate of the whole log, owned partitions or not: so every worker knows the same.

    It is of slates as the ranker would make them, whatever is shown meanwhile.
    """

    def __init__(self) -> None:
        self._minutes: deque[list[int]] = deque(maxlen=MAX_MINUTES + 1)  # minute, hits, judged; ascending

    def add(self, hits: NDArray[np.bool_], broker_ts: NDArray[np.int64]) -> None:
        """[m] judged events and their times in ms. What comes late counts for the newest minute."""
        for hit, ts in zip(hits.tolist(), broker_ts.tolist(), strict=True):
            minute = ts // _MS
            if not self._minutes or minute > self._minutes[-1][0]:
                self._minutes.append([minute, 0, 0])
            self._minutes[-1][1] += hit
            self._minutes[-1][2] += 1

    def level(self, minutes: int) -> float | None:
        """Over so many whole minutes before the newest event's; None = too few were judged."""
        if not self._minutes:
            return None
        newest = self._minutes[-1][0]
        hits = judged = 0
        for minute, n_hits, n in self._minutes:
            if newest - minutes <= minute < newest:
                hits, judged = hits + n_hits, judged + n
        return hits / judged if judged >= LEAST_JUDGED else None
