"""The last windows of the topic `metrics`, for plots."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

import msgspec

from stream_rec.bus.batch import Fetched
from stream_rec.schemas.records import MetricPoint
from stream_rec.telemetry.points import point_key

WANTED = frozenset(("served_hit_rate", "ctr", "drift_alarms", "dead_letters"))
KEPT_POINTS = 50_000
"""Those written longest ago are forgotten."""
BACKWARD = 100_000
"""Records that are read from before the page began."""

_decode = msgspec.json.Decoder(MetricPoint).decode


class Share(NamedTuple):
    """A ratio before it is divided.

    Attributes:
        above: numerator.
        below: denominator.
    """

    above: float = 0.0
    below: float = 0.0

    @property
    def value(self) -> float:
        """The ratio; nan = nothing was counted."""
        return self.above / self.below if self.below else float("nan")


class MetricLog:
    """Points by key, the larger one where a key came twice (`telemetry.points`). One thread takes; others read."""

    def __init__(self) -> None:
        self._points: OrderedDict[str, MetricPoint] = OrderedDict()
        self._lock = Lock()

    def take(self, batch: Fetched) -> None:
        """A batch of `metrics`."""
        for value in batch.values:
            try:
                point = _decode(value or b"")
            except (msgspec.DecodeError, UnicodeError):
                continue
            if point.metric in WANTED:
                self._keep(point)

    def by_window(self, metric: str, labels: Mapping[str, str]) -> list[tuple[int, Share]]:
        """Sums over all partitions by the window's beginning (ms), oldest first."""
        found: dict[int, Share] = {}
        for point in self._with(metric, labels):
            found[point.window_start] = _plus(found.get(point.window_start, Share()), point)
        return sorted(found.items())

    def by_label(self, metric: str, label: str) -> dict[str, Share]:
        """Sums over all windows and partitions that are known."""
        found: dict[str, Share] = {}
        for point in self._with(metric, {}):
            name = point.labels.get(label, "")
            found[name] = _plus(found.get(name, Share()), point)
        return dict(sorted(found.items()))

    def _keep(self, point: MetricPoint) -> None:
        key = point_key(point)
        with self._lock:
            other = self._points.pop(key, None)
            if other and (other.denominator, other.numerator) > (point.denominator, point.numerator):
                point = other
            self._points[key] = point
            if len(self._points) > KEPT_POINTS:
                self._points.popitem(last=False)

    def _with(self, metric: str, labels: Mapping[str, str]) -> list[MetricPoint]:
        with self._lock:
            points = list(self._points.values())
        return [
            each
            for each in points
            if each.metric == metric and all(each.labels.get(name) == value for name, value in labels.items())
        ]


def _plus(share: Share, point: MetricPoint) -> Share:
    return Share(share.above + point.numerator, share.below + point.denominator)
