"""Concept drift: a sequential test on the served hit-rate that allows for runs and seasons.

ADWIN (Bifet & Gavalda, SDM 2007) on single hits takes them to be independent. One user's are not: they come in runs,
and on a stationary stream of runs of 20 it raised 508 alarms in 100,000 values (river 0.26.1). So hits are averaged in
blocks, and the newest 16 to 192 blocks are compared with what was normal before (`normal_level`); and each block with
the same hour of earlier weeks (`season`).
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.feedback.kept import KeptTest
from stream_rec.feedback.normal_level import NormalLevel
from stream_rec.feedback.season import SeasonTest

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
_RISES_SHARE = 0.04
"""Of the false alarms that `delta` allows; a rise of the hit-rate is good news."""
_SEASON_SHARE = 0.01
"""Of the same, for the test on the hour of the week."""
_LEAST_VALUES = 30
"""Fewer hits too many or too few are chance where hits are rare; of a level that never strayed, so many are news."""
_BEYOND_EXTREME = 3.0
"""Standard deviations by which a window must lie beyond anything that was seen before: a season returns."""


class Moved(NamedTuple):
    """A lasting change.

    Attributes:
        level: mean of the newest hits.
        normal: mean of those before.
        n_hits: how many of the newest ones `level` is of: the change began with them, or a little before.
    """

    level: float
    normal: float
    n_hits: int


class LevelTest:
    """Watches a stream of values from 0 to 1 for a lasting change of its mean.

    Nothing is found in the first 4,000 values, nor in the 100,000 after a change, which is told once and not for every
    step of it. A level that was seen within the last million is not news: a season raises one alarm at most, when its
    low is first met. From the second week on, what is news at this hour of the week is found, too. What is found and
    when is a function of the values and their times alone, not of how they are handed over.

    Not guaranteed: that a change is found that is small for the runs it hides in. Hits in runs of 20 tell as much as a
    20th of them would; no test with so few false alarms finds .30 -> .25 in 10,000 of them (Lorden, 1971).

    Args:
        delta: chance of a false alarm in DELTA_HITS values of a stationary stream, at most.
        rises_share: of it, for rises; the rest but for the season's is for falls.

    Attributes:
        n_values: learned so far, before a `restore` too.
    """

    def __init__(self, delta: float, rises_share: float = _RISES_SHARE) -> None:
        self._normal = NormalLevel()
        self._sums: deque[float] = deque([0.0])  # values up to the end of each block that is not learned yet
        self._n_blocks = 0
        self._in_block = 0
        self._sum = 0.0
        self._silent = 0
        self.n_values = 0
        per_block = delta * BLOCK / DELTA_HITS
        self._season = SeasonTest(per_block * _SEASON_SHARE)
        drops_share = 1 - rises_share - _SEASON_SHARE
        self._drop_limits = [_limit(per_block / len(WINDOWS) * drops_share * width) for width in WINDOWS]
        self._rise_limits = [_limit(per_block / len(WINDOWS) * rises_share * width) for width in WINDOWS]

    def update(self, values: NDArray[np.float64], ts_ms: int) -> list[Moved]:
        """Learn n values in order, at a time (ms); the changes that they gave away."""
        found, at = [], 0
        self.n_values += len(values)
        while at < len(values):
            end = min(len(values), at + BLOCK - self._in_block)
            self._sum += float(values[at:end].sum())
            self._in_block += end - at
            at = end
            if self._in_block == BLOCK and (moved := self._add_block(ts_ms)) is not None:
                found.append(moved)
        return found

    def _add_block(self, ts_ms: int) -> Moved | None:
        """A block is full; has the level moved?"""
        block = self._sum / BLOCK
        self._sums.append(self._sums[-1] + self._sum)
        self._in_block, self._sum = 0, 0.0
        self._n_blocks += 1
        if len(self._sums) - 1 > min(WINDOWS[-1], max(_LAG_MIN, self._n_blocks // 2)):
            first = self._sums.popleft()
            self._normal.learn((self._sums[0] - first) / BLOCK)
        strayed = self._season.add(block, ts_ms)
        self._silent = max(0, self._silent - 1)
        if self._silent:
            return None
        if strayed is not None:
            return self._moved(Moved(strayed.level, strayed.expected, strayed.n_blocks * BLOCK))
        if self._normal.n < _SETTLED_BLOCKS:
            return None
        for width, drop_limit, rise_limit in zip(WINDOWS, self._drop_limits, self._rise_limits, strict=True):
            if width >= len(self._sums):
                break
            level = (self._sums[-1] - self._sums[-1 - width]) / (width * BLOCK)
            if self._has_moved(level, width, drop_limit, rise_limit):
                return self._moved(Moved(level, self._normal.mean, width * BLOCK))
        return None

    def snapshot(self) -> KeptTest:
        """All that was learned. A test that is restored from it goes on as this one does, bit for bit."""
        return KeptTest(
            self.n_values,
            self._normal.snapshot(),
            self._season.snapshot(),
            tuple(self._sums),
            self._n_blocks,
            self._in_block,
            self._sum,
            self._silent,
        )

    def restore(self, kept: KeptTest, *, has_changed: bool = False) -> None:
        """Be as the test that gave this.

        Args:
            kept: of `snapshot`; it fits (`baselines.from_text`).
            has_changed: a change was found since then, and told: it is not told again.
        """
        self.n_values, self._in_block, self._sum = kept.n_values, kept.in_block, kept.sum
        self._normal.restore(kept.normal)
        self._season.restore(kept.season)
        self._sums, self._n_blocks, self._silent = deque(kept.sums), kept.n_blocks, kept.silent
        if has_changed:
            self._moved(Moved(self._normal.mean, self._normal.mean, 0))

    def _moved(self, moved: Moved) -> Moved:
        self._normal.start_over(moved.level)
        self._season.start_over(moved.level - moved.normal)
        self._sums = deque([0.0])
        self._n_blocks = 0
        self._silent = _SILENT_BLOCKS
        return moved

    def _has_moved(self, level: float, width: int, drop_limit: float, rise_limit: float) -> bool:
        """Whether the newest blocks' mean is too far from the normal level for chance, and beyond all earlier ones."""
        normal = self._normal
        if abs(level - normal.mean) * width * BLOCK < _LEAST_VALUES:
            return False
        variance = normal.variance(width)
        if variance == 0.0:
            return normal.mean in (0.0, 1.0)
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


class DriftMonitor:
    """A `LevelTest` on hits and misses, beside ADWIN's estimate of their mean.

    River is imported here and not at the top: it takes most of a second, and only workers need it.

    Args:
        delta: chance of a false alarm in DELTA_HITS hits of a stationary stream, at most.

    Attributes:
        test: the `LevelTest`.
    """

    def __init__(self, delta: float) -> None:
        from river.drift import ADWIN

        self._adwin = ADWIN()
        self.test = LevelTest(delta)

    @property
    def mean(self) -> float:
        """ADWIN's estimate of the mean now; 0 before the first value."""
        return float(self._adwin.estimation)

    def update(self, hits: NDArray[np.float64], ts_ms: int) -> list[Moved]:
        """As `LevelTest.update`, of n values that are 0 or 1."""
        for hit in hits.tolist():
            self._adwin.update(hit)
        return self.test.update(hits, ts_ms)


def _limit(rate: float) -> float:
    """Standard deviations c that a moving average of independent values exceeds `rate` times in its own length.

    For high c that is c * phi(c), phi the normal density (Pickands, 1969, for a correlation that falls in a line).
    """
    c = 3.0
    for _ in range(30):
        c = math.sqrt(2 * max(math.log(c / (math.sqrt(2 * math.pi) * rate)), 1.0))
    return c
