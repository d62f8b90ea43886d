"""Has the world changed? ADWIN on the served hit-rate (Bifet & Gavalda, SDM 2007), by river."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_CHECK_EVERY = 32
"""ADWIN looks for a cut every so many values; the mean before it is taken at the same steps."""


class DriftMonitor:
    """Watches a stream of hits and misses for a change of its mean.

    River is imported here and not at the top: it takes most of a second, and only workers need it.

    Args:
        delta: chance of a false alarm per check, by ADWIN's bound.
        on_drop: called once for every alarm where the mean fell; a rise is good news and only counted.
    """

    def __init__(self, delta: float, on_drop: Callable[[], None] | None = None) -> None:
        from river.drift import ADWIN

        self._adwin = ADWIN(delta=delta, clock=_CHECK_EVERY)
        self._on_drop = on_drop
        self._seen = 0
        self._mean_before = 0.0

    @property
    def mean(self) -> float:
        """ADWIN's estimate of the mean now; 0 before the first value."""
        return float(self._adwin.estimation)

    def update(self, hits: Sequence[float]) -> tuple[int, int]:
        """Learn n values in [0, 1], in order.

        Returns:
            How many alarms (drops, rises).
        """
        adwin = self._adwin
        update = adwin.update
        drops = rises = 0
        for hit in hits:
            if self._seen % _CHECK_EVERY == 0:
                self._mean_before = adwin.estimation
            self._seen += 1
            update(hit)
            if adwin.drift_detected:
                if adwin.estimation < self._mean_before:
                    drops += 1
                    if self._on_drop is not None:
                        self._on_drop()
                else:
                    rises += 1
        return drops, rises
