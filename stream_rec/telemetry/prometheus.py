"""Metrics for Prometheus: a registry of our own that reads the sums when it is scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from stream_rec.telemetry.metric_table import BY_NAME, METRICS, PREFIX, Kind

Labels = dict[str, str]


@dataclass(slots=True)
class Figures:
    """All figures at one moment, by metric.

    Attributes:
        sums: (labels, numerator, denominator) since the start.
        gauges: (labels, value) now.
        durations: (labels, histogram, sum in seconds) since the start.
    """

    sums: dict[str, list[tuple[Labels, float, float]]] = field(default_factory=dict)
    gauges: dict[str, list[tuple[Labels, float]]] = field(default_factory=dict)
    durations: dict[str, list[tuple[Labels, NDArray[np.int64], float]]] = field(default_factory=dict)


def families(figures: Figures) -> Iterator[Metric]:
    """Figures in Prometheus' form.

    A ratio becomes a summary without quantiles: `_sum` is its numerator, `_count` its denominator, so that
    `rate(x_sum[5m]) / rate(x_count[5m])`, summed over workers first, is right.
    """
    for metric in METRICS:
        if not metric.prometheus:
            continue
        name = PREFIX + metric.prometheus
        if metric.kind is Kind.DURATIONS:
            histogram = HistogramMetricFamily(name, metric.meaning, labels=metric.labels)
            for labels, counts, seconds in figures.durations.get(metric.name, ()):
                from stream_rec.telemetry import histograms  # compiles kernels, which a bridge does not need

                values = [labels[label] for label in metric.labels]
                histogram.add_metric(values, list(histograms.octaves(counts)), seconds)
            yield histogram
        elif metric.kind is Kind.GAUGE:
            gauge = GaugeMetricFamily(name, metric.meaning, labels=metric.labels)
            for labels, value in figures.gauges.get(metric.name, ()):
                gauge.add_metric([labels[label] for label in metric.labels], value)
            yield gauge
        else:
            yield _summed(metric.name, figures)


def _summed(name: str, figures: Figures) -> Metric:
    metric = BY_NAME[name]
    rows = figures.sums.get(name, ())
    if metric.kind is Kind.COUNT:
        counter = CounterMetricFamily(PREFIX + metric.prometheus, metric.meaning, labels=metric.labels)
        for labels, numerator, _ in rows:
            counter.add_metric([labels[label] for label in metric.labels], numerator)
        return counter
    summary = SummaryMetricFamily(PREFIX + metric.prometheus, metric.meaning, labels=metric.labels)
    for labels, numerator, denominator in rows:
        summary.add_metric([labels[label] for label in metric.labels], int(denominator), numerator)
    return summary


class _Collector(Collector):
    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield from families(self._figures())


def registry(figures: Callable[[], Figures]) -> CollectorRegistry:
    """A registry of its own: our metrics and those of the process (memory, CPU, open files).

    Args:
        figures: asked at every scrape, in the server's thread.
    """
    own = CollectorRegistry()
    own.register(_Collector(figures))
    ProcessCollector(registry=own)
    return own
