"""Concept drift: a sequential test on the served hit-rate that allows for runs and seasons.

ADWIN (Bifet & Gavalda, SDM 2007) on single hits takes them to be independent. One user's are not: they come in runs,
and on a stationary stream of runs of 20 it raised 508 alarms in 100,000 values (river 0.26.1). So hits are averaged in
blocks, and the newest 16 to 192 blocks are compared with what was normal before (`normal_level`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from stream_rec.feedback.normal_level import NormalLevel

BLOCK = 50
"""Hits averaged into one value."""
WINDOWS = (16, 32, 64, 128, 192)
"""Newest blocks that are compared with the normal level, as far as it has not learned them yet."""
DELTA_HITS = 5_000
"""`delta` is the chance of a false alarm in so many hits, at most."""

_LAG_MIN = 32
"""The normal level learns a block when so many newer ones are there, later when half of all are newer, at last when
`WINDOWS[-1]` are: what a change brings must not be learned as normal before it is found."""
_SETTLED_BLOCKS = 40
"""Blocks the normal level rests on before anything is compared with it."""
_SILENT_BLOCKS = 2000
"""Blocks after an alarm before there can be another: the change may be the first day of a season."""
_RISES_SHARE = 0.05
"""Of the false alarms that `delta` allows; a rise is good news."""
_BEYOND_EXTREME = 3.0
"""Standard deviations by which a window must lie beyond anything that was seen before: a season returns."""


class DriftMonitor:
    """Watches a stream of hits and misses for a lasting change of its mean.

    Nothing is found in the first 4,000 hits, nor in the 100,000 after an alarm, which is given once and not for every
    step of one change. A level that was seen within the last million hits is not news: a season raises one alarm at
    most, when its low is first met. What is found and when is a function of the hits alone, not of how they are handed
    over.

    Not guaranteed: that a change is found that is small for the runs it hides in. Hits in runs of 20 tell as much as a
    20th of them would; no test with so few false alarms finds .30 -> .25 in 10,000 of them (Lorden, 1971).

    River is imported here and not at the top: it takes most of a second, and only workers need it.

    Args:
        delta: chance of a false alarm in DELTA_HITS hits of a stationary stream, at most.
        on_drop: called once for every alarm where the mean fell; a rise is only counted.
    """

    def __init__(self, delta: float, on_drop: Callable[[], None] | None = None) -> None:
        from river.drift import ADWIN

        self._adwin = ADWIN()
        self._on_drop = on_drop
        self._normal = NormalLevel()
        self._sums: deque[int] = deque([0])  # hits up to the end of each block that is not learned yet
        self._n_blocks = 0
        self._in_block = 0
        self._hits = 0
        self._silent = 0
        per_block = delta * BLOCK / DELTA_HITS / len(WINDOWS)
        self._drop_limits = [_limit(per_block * (1 - _RISES_SHARE) * width) for width in WINDOWS]
        self._rise_limits = [_limit(per_block * _RISES_SHARE * width) for width in WINDOWS]

    @property
    def mean(self) -> float:
        """ADWIN's estimate of the mean now; 0 before the first value."""
        return float(self._adwin.estimation)

    def update(self, hits: Sequence[float]) -> tuple[int, int]:
        """Learn n values, 0 or 1, in order.

        Returns:
            How many alarms (drops, rises).
        """
        drops = rises = 0
        for hit in hits:
            self._adwin.update(hit)
            self._hits += int(hit)
            self._in_block += 1
            if self._in_block < BLOCK:
                continue
            direction = self._add_block()
            if direction < 0:
                drops += 1
                if self._on_drop is not None:
                    self._on_drop()
            rises += direction > 0
        return drops, rises

    def _add_block(self) -> int:
        """A block is full. Returns -1 = the level has fallen, 1 = risen, 0 = neither."""
        self._sums.append(self._sums[-1] + self._hits)
        self._in_block = self._hits = 0
        self._n_blocks += 1
        if len(self._sums) - 1 > min(WINDOWS[-1], max(_LAG_MIN, self._n_blocks // 2)):
            first = self._sums.popleft()
            self._normal.learn((self._sums[0] - first) / BLOCK)
        self._silent = max(0, self._silent - 1)
        if self._silent or self._normal.n < _SETTLED_BLOCKS:
            return 0
        for width, drop_limit, rise_limit in zip(WINDOWS, self._drop_limits, self._rise_limits, strict=True):
            if width >= len(self._sums):
                break
            level = (self._sums[-1] - self._sums[-1 - width]) / (width * BLOCK)
            if self._has_moved(level, width, drop_limit, rise_limit):
                direction = 1 if level > self._normal.mean else -1
                self._normal.start_over(level)
                self._sums = deque([0])
                self._n_blocks = 0
                self._silent = _SILENT_BLOCKS
                return direction
        return 0

    def _has_moved(self, level: float, width: int, drop_limit: float, rise_limit: float) -> bool:
        """Whether the newest blocks' mean is too far from the normal level for chance, and beyond all earlier ones."""
        normal = self._normal
        variance = normal.variance(width)
        if variance == 0.0:
            return False
        if level > normal.mean:
            # Hits are binomial: what rises strays further.
            ratio = level * (1 - level) / max(normal.mean * (1 - normal.mean), 1e-9)
            variance *= max(1.0, ratio)
        limit = rise_limit if level > normal.mean else drop_limit
        if abs(level - normal.mean) <= limit * math.sqrt(variance * (1 / width + 1 / normal.n)):
            return False
        lowest, highest = normal.extremes(width)
        beyond = _BEYOND_EXTREME * math.sqrt(variance / width)
        return level < lowest - beyond or level > highest + beyond


def _limit(rate: float) -> float:
    """Standard deviations c that a moving average of independent values exceeds `rate` times in its own length.

    For high c that is c * phi(c), phi the normal density (Pickands, 1969, for a correlation that falls in a line).
    """
    c = 3.0
    for _ in range(30):
        c = math.sqrt(2 * max(math.log(c / (math.sqrt(2 * math.pi) * rate)), 1.0))
    return c
