"""The metrics of one worker: sums per window, stage times and gauges, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.prequential import add_durations
from stream_rec.settings import MeasureSettings
from stream_rec.telemetry import histograms
from stream_rec.telemetry.gauges import Gauges
from stream_rec.telemetry.metric_table import BY_NAME, Kind
from stream_rec.telemetry.points import field
from stream_rec.telemetry.prometheus import Figures
from stream_rec.telemetry.series import FRESHNESS_LIMITS_MS, STAGES, Series
from stream_rec.telemetry.windows import Windows


class MetricAccumulator:
    """All figures but the outcomes of impressions.

    One thread writes; `live` and `figures` may be asked by another.

    Args:
        settings: windows and cut-off.
        sources: the engine's, in the order of `Judged.rank_by_source`.

    Attributes:
        series: the rows of the sums.
        windows: the sums.
        gauges: last values.
    """

    def __init__(self, settings: MeasureSettings, sources: Sequence[str]) -> None:
        self.series = Series(settings.k, sources)
        self.windows = Windows(settings, self.series)
        self.gauges = Gauges()
        self._stage_counts = {stage: histograms.empty() for stage in STAGES}
        self._stage_seconds = dict.fromkeys(STAGES, 0.0)

    def add(self, topic: str, partition: int, metric: str, numerator: float, denominator: float) -> None:
        """Add to a metric without labels, in the partition's present window.

        Raises:
            KeyError: there is no such metric.
        """
        if numerator or denominator:
            sums = self.windows.sums(topic, partition)
            row = self.series.row(metric)
            sums[row, 0] += numerator
            sums[row, 1] += denominator

    def add_dead_letter(self, topic: str, partition: int, reason: str, broker_ts: int) -> None:
        """One message that could not be read."""
        sums = self.windows.at(topic, partition, broker_ts).sums
        row = self.series.reason(reason)
        sums[row] += 1.0

    def add_refused(self, topic: str, partition: int, to: str, n: int) -> None:
        """So many records for the topic `to` were refused for good."""
        self.windows.sums(topic, partition)[self.series.refused(to)] += n

    def add_unknown_type(self, topic: str, partition: int, event_type: str, n: int, n_events: int) -> None:
        """So many of a batch's events are of a type that is not in the table."""
        self.windows.sums(topic, partition)[self.series.unknown_type(event_type)] += (n, n_events)

    def add_left_out(self, topic: str, partition: int, n_parts: int, broker_ts: int) -> None:
        """One record that lost so many of its parts."""
        sums = self.windows.at(topic, partition, broker_ts).sums
        sums[self.series.row("parts_left_out")] += (n_parts, 1)

    def add_freshness(self, topic: str, partition: int, broker_ts: NDArray[np.int64], now_ms: float) -> None:
        """Events published at broker_ts [n] (ms) are answered by a readable slate since now_ms."""
        row, within = self.series.row("freshness_ms"), self.series.within
        for window, a, b in self.windows.split(topic, partition, broker_ts):
            add_durations(
                window.sums,
                row,
                within,
                FRESHNESS_LIMITS_MS,
                window.freshness,
                broker_ts,
                a,
                b,
                now_ms,
            )

    def time_stage(self, topic: str, partition: int, stage: str, seconds: float, events: int) -> None:
        """A batch of so many events took so long in a stage.

        Raises:
            KeyError: `series.STAGES` has no such stage.
        """
        row = self.series.stages[stage]
        sums = self.windows.sums(topic, partition)
        sums[row, 0] += seconds * 1e6
        sums[row, 1] += events
        histograms.add(self._stage_counts[stage], seconds * 1000)
        self._stage_seconds[stage] += seconds

    def live(self) -> dict[str, float]:
        """By field name (`points.field`): ratios of the recent windows, counts since the start, gauges.

        What was never measured is not there.
        """
        recent, freshness = self.windows.recent()
        total, _ = self.windows.totals()
        values = {field(metric, labels): value for metric, labels, value in self.gauges}
        rows = zip(self.series.names, recent.tolist(), total[:, 0].tolist(), strict=True)
        for name, (above, below), ever in rows:
            if name is None:
                continue
            metric, labels = name
            if BY_NAME[metric].kind is Kind.COUNT:
                values[field(metric, labels)] = ever
            elif below:
                values[field(metric, labels)] = above / below
        if freshness.any():
            values["freshness_ms_p50"] = histograms.quantile(freshness, 0.5)
            values["freshness_ms_p99"] = histograms.quantile(freshness, 0.99)
        return values

    def figures(self) -> Figures:
        """Everything since the start, for Prometheus."""
        figures = Figures()
        total, freshness = self.windows.totals()
        for name, (above, below) in zip(self.series.names, total.tolist(), strict=True):
            if name is not None:
                figures.sums.setdefault(name[0], []).append((name[1], above, below))
        for metric, labels, value in self.gauges:
            figures.gauges.setdefault(metric, []).append((labels, value))
        waited_seconds = float(total[self.series.row("freshness_ms"), 0]) / 1000
        figures.durations["freshness_seconds"] = [({}, freshness, waited_seconds)]
        figures.durations["stage_seconds"] = [
            ({"stage": stage}, self._stage_counts[stage].copy(), self._stage_seconds[stage])
            for stage in STAGES
        ]
        return figures
