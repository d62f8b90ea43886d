"""Last values by metric and labels, bounded."""

from __future__ import annotations

from collections.abc import Iterator

MAX_LABEL_SETS = 8192
"""Label sets of one metric (the largest: partitions owned by a worker); further ones are not kept."""


class Gauges:
    """Last values. One thread sets; another may read."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}

    def set(self, metric: str, value: float, **labels: str) -> None:
        """Keep a value; a new label set beyond the bound is dropped."""
        of_metric = self._values.setdefault(metric, {})
        key = tuple(labels.items())
        if key in of_metric or len(of_metric) < MAX_LABEL_SETS:
            of_metric[key] = float(value)

    def drop(self, metric: str, **labels: str) -> None:
        """Forget a value, if there is one."""
        self._values.get(metric, {}).pop(tuple(labels.items()), None)

    def __iter__(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """(metric, labels, value) of each, as of one moment per metric."""
        for metric, of_metric in list(self._values.items()):
            for labels, value in list(of_metric.items()):
                yield metric, dict(labels), value
