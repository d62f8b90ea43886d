"""What is normal at this hour of the week, and a test on what strays from it.

A level that falls at noon to what it is at night has been seen before, so a test against extremes is silent. Against
the same hour of earlier weeks it is news.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.feedback.kept import KeptSeason, KeptSide
from stream_rec.feedback.normal_level import SCALES, NormalLevel

HOURS = 168
"""Of a week, in UTC."""
WEEKS = 4
"""An hour's level forgets older weeks at this rate."""
MS_PER_HOUR = 3_600_000

_SLACK = 0.5
"""Standard deviations by which a block may stray for nothing: changes of half as much are not looked for."""
LAG_BLOCKS = 192
"""The normal deviation learns a block when so many newer ones are there: not the change that is being looked for."""
_SETTLED_BLOCKS = 40
_BEYOND_EXTREME = 3.0
"""Standard deviations by which the mean of an excursion must lie beyond those that were seen before."""


class Season:
    """Means of blocks by hour of the week: of earlier weeks alone, so that a change is not its own baseline."""

    def __init__(self) -> None:
        self._means: NDArray[np.float64] = np.zeros(HOURS)
        self._weeks: NDArray[np.int64] = np.zeros(HOURS, np.int64)
        self._hour = -1
        self._sum, self._n = 0.0, 0

    def expected(self, ts_ms: int) -> float | None:
        """Of a block at this time; None = this hour of the week was never seen in a week before."""
        hour = self._at(ts_ms) % HOURS
        return float(self._means[hour]) if self._weeks[hour] else None

    def learn(self, block: float, ts_ms: int) -> None:
        """One more block. What comes late counts for the hour that is running."""
        hour = self._at(ts_ms)
        if hour != self._hour:
            self._close()
            self._hour = hour
        self._sum += block
        self._n += 1

    def snapshot(self) -> tuple[tuple[float, ...], tuple[int, ...], int, float, int]:
        """All of it: means and weeks by hour, the hour that is running, and its sum and blocks."""
        return tuple(self._means.tolist()), tuple(self._weeks.tolist()), self._hour, self._sum, self._n

    def restore(self, kept: KeptSeason) -> None:
        """Be as one that gave this."""
        self._means, self._weeks = np.array(kept.means), np.array(kept.weeks, np.int64)
        self._hour, self._sum, self._n = kept.hour, kept.sum, kept.n

    def _at(self, ts_ms: int) -> int:
        return max(self._hour, ts_ms // MS_PER_HOUR)

    def _close(self) -> None:
        if self._n:
            hour = self._hour % HOURS
            self._weeks[hour] = min(self._weeks[hour] + 1, WEEKS)
            self._means[hour] += (self._sum / self._n - self._means[hour]) / self._weeks[hour]
        self._sum, self._n = 0.0, 0


class Excursion(NamedTuple):
    """Blocks that have strayed too far.

    Attributes:
        level: their mean.
        expected: mean of what was expected of them.
        n_blocks: how many.
    """

    level: float
    expected: float
    n_blocks: int


class _Side:
    """One direction of the test: the sum, and the excursion that it is of."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self.start_over()

    def start_over(self) -> None:
        self.sum = self._level = self._expected = 0.0
        self._n = 0

    def snapshot(self) -> KeptSide:
        return KeptSide(self.sum, self._level, self._expected, self._n)

    def restore(self, kept: KeptSide) -> None:
        self.sum, self._level, self._expected, self._n = kept.sum, kept.level, kept.expected, kept.n

    def add(self, deviation: float, block: float, expected: float) -> Excursion | None:
        """A block, whose deviation is in standard deviations; None = the sum is back at 0."""
        self.sum = max(0.0, self.sum + self._sign * deviation - _SLACK)
        if not self.sum:
            self.start_over()
            return None
        self._n += 1
        self._level += block
        self._expected += expected
        return Excursion(self._level / self._n, self._expected / self._n, self._n)


class SeasonTest:
    """The test of Page and Hinkley, in both directions, on deviations from the same hour of the week.

    These are Page's cumulative sums (Page 1954), whose baseline is known here.
    Deviations are measured in standard deviations of their long-run variance (`normal_level`), so runs do not count as
    changes; and an excursion is news only if its mean lies beyond all that were seen in the last million values: sales
    return, too. Nothing is found in the first week.

    Args:
        per_block: chance of a false alarm in a block, in both directions together, at most.
    """

    def __init__(self, per_block: float) -> None:
        self._limit = _limit(2 / per_block)
        self._season = Season()
        self._normal = NormalLevel()
        self._waiting: deque[float] = deque()
        self._sides = (_Side(-1), _Side(1))

    def add(self, block: float, ts_ms: int) -> Excursion | None:
        """One more block, at a time: has the level left what is normal at this hour?"""
        expected = self._season.expected(ts_ms)
        self._season.learn(block, ts_ms)
        if expected is None:
            return None
        self._waiting.append(block - expected)
        if len(self._waiting) > LAG_BLOCKS:
            self._normal.learn(self._waiting.popleft())
        variance = self._normal.variance(SCALES[-1])
        if self._normal.n < _SETTLED_BLOCKS or variance == 0.0:
            return None
        deviation = (block - expected - self._normal.mean) / math.sqrt(variance)
        for side in self._sides:
            found = side.add(deviation, block, expected)
            if found is not None and side.sum > self._limit and self._is_new(found, variance):
                return found
        return None

    def snapshot(self) -> KeptSeason:
        """All of it."""
        drop, rise = self._sides
        sides = drop.snapshot(), rise.snapshot()
        return KeptSeason(*self._season.snapshot(), self._normal.snapshot(), tuple(self._waiting), sides)

    def restore(self, kept: KeptSeason) -> None:
        """Be as one that gave this."""
        self._season.restore(kept)
        self._normal.restore(kept.normal)
        self._waiting = deque(kept.waiting)
        for side, each in zip(self._sides, kept.sides, strict=True):
            side.restore(each)

    def start_over(self, deviation: float = 0.0) -> None:
        """A change was found; what strayed so far (0 = nothing) is known from now on."""
        self._waiting.clear()
        self._normal.start_over(deviation)
        for side in self._sides:
            side.start_over()

    def _is_new(self, found: Excursion, variance: float) -> bool:
        strayed = found.level - found.expected
        lowest, highest = self._normal.extremes(found.n_blocks)
        beyond = _BEYOND_EXTREME * math.sqrt(variance / found.n_blocks)
        return strayed < lowest - beyond or strayed > highest + beyond


def _limit(mean_blocks: float) -> float:
    """The limit of one sum that independent standard normal deviations exceed once in so many blocks.

    Siegmund (1985): (exp(2 k b) - 2 k b - 1) / (2 k^2) with b = limit + 1.166 and the slack k.
    """
    b = 1.166
    for _ in range(60):
        b = math.log(mean_blocks * 2 * _SLACK**2 + 2 * _SLACK * b + 1) / (2 * _SLACK)
    return max(b - 1.166, 1.0)
