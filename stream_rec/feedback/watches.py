"""What is watched for a lasting change of its mean, each by a test of its own, in the partitions owned here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.feedback.drift import LevelTest, Moved
from stream_rec.feedback.kept import KeptTest
from stream_rec.schemas.decisions import NAME

Direction = Literal["drop", "rise"]
WATCHED: Mapping[str, tuple[Direction, ...]] = {
    "served_hit_rate": ("drop",),
    "fresh_hit_rate": ("drop",),
    "ctr": ("drop",),
    "event_mix": ("drop", "rise"),
    "unknown_items": ("rise",),
    "dead_letters": ("rise",),
}
"""By the first word of a metric's name: which way it must move to be told. After a dot: which of them."""
MAX_WATCHES = 64
MAX_CHANGES = 32
"""That wait to be taken."""
_BATCHES = 4096
"""Of each metric, of which it is remembered when they came."""


class Change(NamedTuple):
    """A metric has moved for good.

    Attributes:
        metric: which.
        direction: which way.
        since_ms: about when that began, by the broker's time.
        level: since then.
        normal: before.
    """

    metric: str
    direction: Direction
    since_ms: int
    level: float
    normal: float


Update = Callable[[NDArray[np.float64], int], list[Moved]]
"""Of `LevelTest`, or of what has one: the changes that values at a time (ms) gave away."""


class Watch:
    """One metric.

    Args:
        metric: its name.
        test: of its values.
        update: that of the test, or of what does more with the values.
    """

    def __init__(self, metric: str, test: LevelTest, update: Update | None = None) -> None:
        self._metric = metric
        self._test = test
        self._update = update or test.update
        self._came = deque([(0, 0)], _BATCHES)  # values so far, and when the batch came, ms

    @property
    def n_values(self) -> int:
        """All that its test has learned, of those before a `restore` too."""
        return self._test.n_values

    @property
    def last_ms(self) -> int:
        """When the newest came; 0 = none yet."""
        return self._came[-1][1]

    def snapshot(self) -> KeptTest:
        """What its test has learned."""
        return self._test.snapshot()

    def restore(self, kept: KeptTest, ts_ms: int, *, has_changed: bool) -> None:
        """As `LevelTest.restore`; what is restored came until a time (ms)."""
        self._test.restore(kept, has_changed=has_changed)
        self._came = deque([(0, ts_ms)], _BATCHES)

    def add(self, values: NDArray[np.float64], ts_ms: int) -> Iterator[Change]:
        """Values from 0 to 1, in order; the changes that they gave away, in both directions."""
        if len(values):
            self._came.append((self._came[-1][0] + len(values), ts_ms))
        for moved in self._update(values, ts_ms):
            first = self._came[-1][0] - moved.n_hits
            since_ms = next(ts for n, ts in self._came if n > first)
            direction: Direction = "drop" if moved.level < moved.normal else "rise"
            yield Change(self._metric, direction, since_ms, moved.level, moved.normal)


class Watches:
    """All of them, and what was found and not taken yet.

    Args:
        delta: as for `LevelTest`, of each.
        own: by metric, those that begin at once, whose values whoever has made them adds.
    """

    def __init__(self, delta: float, own: Mapping[str, Watch] = MappingProxyType({})) -> None:
        self._delta = delta
        self._watches: dict[str, Watch] = dict(own)
        self._found: deque[Change] = deque(maxlen=MAX_CHANGES)
        self._is_full = False
        self._now_ms = 0

    def add(self, metric: str, values: NDArray[np.float64], ts_ms: int = 0) -> None:
        """Values from 0 to 1 of a metric, in order; a metric is watched from its first ones on.

        Args:
            metric: a name of WATCHED, or that and a dot and which. What cannot be the name of a record is not watched.
            values: [n].
            ts_ms: when they came, by the broker's time; 0 = when the last ones of any metric did.
        """
        self._now_ms = max(self._now_ms, ts_ms)
        watch = self._watches.get(metric) or self._begin(metric)
        for change in watch.add(values, self._now_ms) if watch is not None else ():
            self.tell(change)

    def tell(self, change: Change) -> None:
        """It waits to be taken, if it is one that is told."""
        if change.direction in WATCHED[change.metric.partition(".")[0]]:
            self._found.append(change)

    def all(self) -> Mapping[str, Watch]:
        """By metric."""
        return self._watches

    def take(self) -> list[Change]:
        """What was found since the last call."""
        return [self._found.popleft() for _ in range(len(self._found))]

    def _begin(self, metric: str) -> Watch | None:
        if not NAME.fullmatch(metric):
            return None
        if len(self._watches) == MAX_WATCHES:
            if not self._is_full:
                self._is_full = True
                logs.get("measure").warning(
                    "a metric is not watched for lasting changes: there are too many", metric=metric
                )
            return None
        watch = self._watches[metric] = Watch(metric, LevelTest(self._delta))
        return watch


def spread(hits: int, n: int) -> NDArray[np.float64]:
    """[n] values of which `hits` are 1, evenly, where the order is not known."""
    return np.diff(np.floor(np.arange(n + 1) * (min(hits, n) / max(n, 1))))
