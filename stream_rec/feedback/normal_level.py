"""The normal level of a stream of hits: its mean, and how far the means of longer and longer stretches deviate from it.

Hits of one user come in runs, and people act otherwise at night: neither is a change of the world. Of both one sees
only what they do to the mean of a stretch, so that is what is learned, for stretches of 1, 2, 4 ... blocks: in a
stationary stream the variance of these means times their length tends to a constant, the long-run variance, which runs
multiply; a season adds to it at the scales where it lives.
"""

from __future__ import annotations

import math
from collections import deque

from stream_rec.feedback.kept import KeptLevel, KeptNormal, KeptScale

SCALES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Lengths of the stretches, in blocks."""

_FIRST_BLOCKS = 8
"""Blocks before the mean is good enough to say how far a stretch strays from it."""
_MEAN_BLOCKS = 2600
"""The mean forgets at this rate."""
_STRETCHES = 128
"""The variances forget at this rate."""
_FEWEST = 4
"""Stretches of a scale before its variance says anything."""
_CAUTION = 2.0
"""Standard errors that are added to a variance known from few blocks."""
_YOUNG_BLOCKS = 640
"""What was learned in these is forgotten, once: an engine that learns a shop from nothing is hit oftener and oftener,
which is no season; its first days would hide any later fall."""
_HEIR_BLOCKS = 320
"""What was learned first stands until what is learned after it knows so many blocks, and with them the widest
stretches: else a change in between would be compared with nothing, and become what is normal."""
_CHAPTER_BLOCKS = 320
CHAPTERS = 64
"""Lowest and highest means are remembered by chapters: 64 of 320 blocks, 1,024,000 hits in blocks of 50."""


class _Scale:
    """Stretches of one length."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.n = 0
        self.variance = 0.0  # of a mean, times the width
        self.lows: deque[float] = deque(maxlen=CHAPTERS)
        self.highs: deque[float] = deque(maxlen=CHAPTERS)
        self._total = 0.0
        self._filled = 0

    def learn(self, block: float, mean: float) -> None:
        self._total += block
        self._filled += 1
        if self._filled < self.width:
            return
        level = self._total / self.width
        self.cut()
        self.n += 1
        square = (level - mean) ** 2 * self.width
        self.variance += max(1 / self.n, 1 / _STRETCHES) * (square - self.variance)
        self.remember(level)

    def remember(self, level: float) -> None:
        self.lows[-1] = min(self.lows[-1], level)
        self.highs[-1] = max(self.highs[-1], level)

    def turn(self) -> None:
        """A new chapter begins."""
        self.lows.append(math.inf)
        self.highs.append(-math.inf)

    def cut(self) -> None:
        """The present stretch ends here."""
        self._total, self._filled = 0.0, 0

    def snapshot(self) -> KeptScale:
        return KeptScale(
            self.n, self.variance, tuple(self.lows), tuple(self.highs), self._total, self._filled
        )

    def restore(self, kept: KeptScale) -> None:
        self.n, self.variance = kept.n, kept.variance
        self.lows, self.highs = deque(kept.lows, CHAPTERS), deque(kept.highs, CHAPTERS)
        self._total, self._filled = kept.total, kept.filled

    def sure_variance(self) -> float:
        """One standard error below the estimate: the maximum over scales would be above the truth otherwise."""
        return self.variance * max(0.0, 1 - math.sqrt(2 / min(self.n, _STRETCHES)))


class _Level:
    """What the blocks since its beginning have taught."""

    def __init__(self) -> None:
        self.mean = 0.0
        self.n = 0  # at most _MEAN_BLOCKS
        self._scales = [_Scale(width) for width in SCALES]
        self._read = 0

    def learn(self, block: float) -> None:
        if self.n >= _FIRST_BLOCKS:
            if self._read % _CHAPTER_BLOCKS == 0:
                for scale in self._scales:
                    scale.turn()
            self._read += 1
            for scale in self._scales:
                scale.learn(block, self.mean)
        self.n = min(self.n + 1, _MEAN_BLOCKS)
        self.mean += (block - self.mean) / self.n

    def start_over(self, level: float) -> None:
        self.mean, self.n = 0.0, 0
        for scale in self._scales:
            scale.cut()
            if scale.lows:
                scale.remember(level)

    def variance(self, width: int) -> float:
        largest = 0.0
        for scale, half in zip(self._scales, [self._scales[0], *self._scales], strict=False):
            if scale.width > width:
                break
            if half.n < _FEWEST:
                return 0.0
            if scale.n >= _FEWEST:
                largest = max(largest, scale.sure_variance())
        return largest * (1 + _CAUTION * math.sqrt(2 / (self._read + 1)))

    def snapshot(self) -> KeptLevel:
        return KeptLevel(self.mean, self.n, self._read, tuple(each.snapshot() for each in self._scales))

    @classmethod
    def restored(cls, kept: KeptLevel) -> _Level:
        level = cls()
        level.mean, level.n, level._read = kept.mean, kept.n, kept.read
        for scale, each in zip(level._scales, kept.scales, strict=True):
            scale.restore(each)
        return level

    def extremes(self, width: int) -> tuple[float, float]:
        scale = max((s for s in self._scales if s.width <= width), key=lambda s: s.width)
        return min(scale.lows, default=math.inf), max(scale.highs, default=-math.inf)


class NormalLevel:
    """Learns block by block; see the module."""

    def __init__(self) -> None:
        self._n_young = 0
        self._level = _Level()
        self._heir: _Level | None = None

    @property
    def mean(self) -> float:
        """Of the blocks learned since the last `start_over`."""
        return self._level.mean

    @property
    def n(self) -> int:
        """How many blocks these are, at most `_MEAN_BLOCKS`."""
        return self._level.n

    def learn(self, block: float) -> None:
        """Learn the mean of one more block."""
        self._level.learn(block)
        if self._heir is not None:
            self._heir.learn(block)
            if self._heir.n >= _HEIR_BLOCKS:
                self._level, self._heir = self._heir, None
        elif self._n_young < _YOUNG_BLOCKS:
            self._n_young += 1
            if self._n_young == _YOUNG_BLOCKS:
                self._heir = _Level()

    def snapshot(self) -> KeptNormal:
        """All of it."""
        heir = None if self._heir is None else self._heir.snapshot()
        return KeptNormal(self._n_young, self._level.snapshot(), heir)

    def restore(self, kept: KeptNormal) -> None:
        """Be as one that gave this."""
        self._n_young, self._level = kept.n_young, _Level.restored(kept.level)
        self._heir = None if kept.heir is None else _Level.restored(kept.heir)

    def start_over(self, level: float) -> None:
        """The level has changed to this one: the mean is learned again, variances and extremes are kept."""
        for each in (self._level, self._heir):
            if each is not None:
                each.start_over(level)

    def variance(self, width: int) -> float:
        """Of the mean of so many blocks, times their number; 0 = not known yet.

        The greatest of the scales up to that width: a short scale does not see all of a run, a long one has seen few
        stretches. A scale without enough of them takes over what the one below has, but only one octave up. From few
        blocks it is taken to be greater than they say.
        """
        return self._level.variance(width)

    def extremes(self, width: int) -> tuple[float, float]:
        """The lowest and the highest mean of a stretch of about that width in the last million hits."""
        return self._level.extremes(width)
