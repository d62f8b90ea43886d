"""Metrics for Prometheus: a registry of our own that reads the sums when it is scraped, and its HTTP server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from wsgiref.simple_server import WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from stream_rec.errors import ConfigError
from stream_rec.telemetry import histograms
from stream_rec.telemetry.metric_table import BY_NAME, METRICS, PREFIX, Kind

Labels = dict[str, str]


@dataclass(slots=True)
class Figures:
    """All figures at one moment, by metric of the catalogue.

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


Probe = Callable[[], str]
"""Asked in the server's thread; an empty answer is a yes, any other says why not."""


_NO_PROBES: Mapping[str, Probe] = MappingProxyType({})


class MetricsServer:
    """`/metrics` and probes over HTTP, in a thread.

    Args:
        registry: what to show.
        host: address to bind to.
        port: 0 = any free one.
        probes: by path: 200 if the probe says yes, else 503 and why not.

    Raises:
        ConfigError: the address cannot be bound.
    """

    def __init__(
        self, registry: CollectorRegistry, host: str, port: int, probes: Mapping[str, Probe] = _NO_PROBES
    ) -> None:
        try:
            server, thread = start_http_server(port, host, registry=registry)
        except OSError as error:
            raise ConfigError(
                f"cannot serve metrics on {host}:{port}: {error}",
                fix="set measure.prometheus_port to a free port, or 0 for any",
            ) from error
        self._server: WSGIServer = server
        self._thread: threading.Thread = thread
        self._metrics = make_wsgi_app(registry)
        self._probes = probes
        server.set_app(self._answer)
        self.port: int = server.server_port
        self.url = f"http://{host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop serving and give the port back; safe to call again."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        probe = self._probes.get(environ["PATH_INFO"])
        if probe is None:
            return self._metrics(environ, start_response)  # type: ignore[no-any-return]
        why_not = probe()
        status = "503 Service Unavailable" if why_not else "200 OK"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{why_not or 'yes'}\n".encode()]
