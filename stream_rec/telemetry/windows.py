"""Sums per window of broker time and topic-partition, and when they become metric points."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stream_rec.schemas.records import MetricPoint
from stream_rec.settings import MeasureSettings
from stream_rec.telemetry import histograms
from stream_rec.telemetry.series import Series

MAX_WAITING = 50_000
"""Points of windows evicted before `due` was called; the oldest are dropped and counted."""


class Window:
    """Sums of one window.

    Attributes:
        start: ms since the epoch.
        sums: float64 [rows, 2], numerators and denominators.
        sent: the same as last given out.
        freshness: histogram of ms.
    """

    __slots__ = ("freshness", "sent", "start", "sums")

    def __init__(self, start: int, rows: int) -> None:
        self.start = start
        self.sums: NDArray[np.float64] = np.zeros((rows, 2))
        self.sent: NDArray[np.float64] = np.zeros((rows, 2))
        self.freshness = histograms.empty()


class Windows:
    """The last few windows of every partition that is measured here.

    An evicted window that is asked for again starts from nothing; its points are then smaller than those already
    written, and readers keep the larger (`points.latest`). So a record whose timestamp is far off costs nothing else.
    One thread adds; `recent` and `totals` may be asked by another.

    Args:
        settings: window length, windows per partition, and how often unfinished ones are given out.
        series: the rows.
    """

    def __init__(self, settings: MeasureSettings, series: Series) -> None:
        self._series = series
        self._seconds = settings.window_seconds
        self._ms = settings.window_seconds * 1000
        self._per_partition = settings.open_windows
        self._live_seconds = settings.live_seconds
        self._open: dict[tuple[str, int], list[Window]] = {}
        self._retired: NDArray[np.float64] = np.zeros((len(series), 2))
        self._retired_freshness = histograms.empty()
        self._waiting: deque[MetricPoint] = deque(maxlen=MAX_WAITING)
        self._has_finished = False
        self._next_live = float("-inf")
        self._retiring = threading.Lock()  # held while a window's sums move to those of the retired ones
        self.dropped = 0

    def at(self, topic: str, partition: int, broker_ts: int) -> Window:
        """The window a record belongs to; it becomes the partition's present one."""
        start = broker_ts - broker_ts % self._ms
        windows = self._open.setdefault((topic, partition), [])
        for window in reversed(windows):
            if window.start == start:
                if window is not windows[-1]:
                    windows.remove(window)
                    windows.append(window)
                return window
        if len(windows) == self._per_partition:
            self._wait(self._changed(topic, partition, windows[0]))
            self._retire(windows, windows[0])
        self._has_finished = self._has_finished or bool(windows)
        windows.append(Window(start, len(self._series)))
        return windows[-1]

    def split(
        self, topic: str, partition: int, broker_ts: NDArray[np.int64], first: int = 0
    ) -> Iterator[tuple[Window, int, int]]:
        """Runs of neighbouring records [first, last) of the same window, in order."""
        n = len(broker_ts)
        if first >= n:
            return
        part = broker_ts[first:]
        low = int(part[0])
        start = low - low % self._ms
        if n - first == 1 or (part.min() >= start and part.max() < start + self._ms):
            yield self.at(topic, partition, low), first, n
            return
        numbers = part // self._ms
        edges = np.flatnonzero(np.diff(numbers)) + 1
        for a, b in zip([0, *edges.tolist()], [*edges.tolist(), len(part)], strict=True):
            yield self.at(topic, partition, int(part[a])), first + a, first + b

    def sums(self, topic: str, partition: int) -> NDArray[np.float64]:
        """Sums of the partition's present window; before its first record those that belong to none."""
        windows = self._open.get((topic, partition))
        return windows[-1].sums if windows else self._retired

    def due(self, now: float, *, everything: bool = False) -> list[MetricPoint]:
        """Changes to be written: finished windows at once, present ones every `live_seconds`.

        Args:
            now: seconds of any clock that does not go back.
            everything: whether to return unfinished windows too, as the worker stops.
        """
        live = everything or now >= self._next_live
        if not (live or self._has_finished or self._waiting):
            return []
        points = list(self._waiting)
        self._waiting.clear()
        for (topic, partition), windows in self._open.items():
            for window in windows if live else windows[:-1]:
                points.extend(self._changed(topic, partition, window))
        self._has_finished = False
        if live:
            self._next_live = now + self._live_seconds
        return points

    def release(self, topic: str, partition: int) -> list[MetricPoint]:
        """Stop measuring a partition; its last points."""
        points: list[MetricPoint] = []
        windows = self._open.get((topic, partition), [])
        for window in list(windows):
            points.extend(self._changed(topic, partition, window))
            self._retire(windows, window)
        self._open.pop((topic, partition), None)
        return points

    def recent(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Sums and freshness histogram over all windows in memory."""
        with self._retiring:
            return self._in_memory()

    def totals(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The same since the start; never less than at an earlier call."""
        with self._retiring:
            sums, freshness = self._in_memory()
            return sums + self._retired, freshness + self._retired_freshness

    def _in_memory(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        sums, freshness = np.zeros_like(self._retired), histograms.empty()
        for windows in list(self._open.values()):
            for window in windows:
                sums += window.sums
                freshness += window.freshness
        return sums, freshness

    def _wait(self, points: list[MetricPoint]) -> None:
        self.dropped += max(0, len(self._waiting) + len(points) - MAX_WAITING)
        self._waiting.extend(points)

    def _retire(self, windows: list[Window], window: Window) -> None:
        with self._retiring:
            windows.remove(window)
            self._retired += window.sums
            self._retired_freshness += window.freshness

    def _changed(self, topic: str, partition: int, window: Window) -> list[MetricPoint]:
        rows = np.flatnonzero((window.sums != window.sent).any(axis=1)).tolist()
        window.sent[:] = window.sums
        points = []
        for row in rows:
            name = self._series.names[row]
            if name is None:  # of a slot for a vector space that was free when the worker started
                continue
            metric, labels = name
            numerator, denominator = window.sums[row].tolist()
            points.append(
                MetricPoint(
                    metric, labels, window.start, self._seconds, topic, partition, numerator, denominator
                )
            )
        return points
