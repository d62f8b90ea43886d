"""Prometheus reads the worker's figures over HTTP."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream_rec.feedback.measures import Measures
from stream_rec.schemas.columns import Span
from stream_rec.settings import MeasureSettings
from stream_rec.telemetry.metric_table import METRICS, PREFIX
from stream_rec.telemetry.metrics_server import MetricsServer
from stream_rec.telemetry.prometheus import registry
from tests.feedback.making import FakeLearned, attribution, do, show


@pytest.fixture
def worker() -> Measures:
    """A worker that has seen three events, one slate and one click on it."""
    a = attribution()
    m = Measures(MeasureSettings(max_outcome_cells=64), ["markov"], attribution=a)
    m.assign("impressions", 0)
    span, broker_ts = Span("events", 0, 1, 0, 3), np.array([0, 0, 0])
    m.on_batch(
        span,
        np.arange(3),
        broker_ts,
        served=np.array([1, 0, 0], np.int32),
        popular=np.zeros(3, np.int32),
        learned=FakeLearned(n_learned=3),
    )
    m.on_written(span, broker_ts, 20.0, written=2, stale=0)
    m.on_dead_letters(span, ['quote " and \n newline'], [0])
    m.time_stage(span, "recommend", 0.002, 3)
    m.set_lag("events", 0, 4)
    show(a, 1, [10, 11], ts=0)
    do(a, 1, 10, ts=1)
    m.due_points(0.0)
    return m


@pytest.fixture
def server(worker: Measures) -> Iterator[MetricsServer]:
    opened = MetricsServer(registry(worker.figures), "127.0.0.1", 0)
    yield opened
    opened.close()


def scrape(server: MetricsServer) -> dict[str, float]:
    """Value by sample name and label values, in the order of the labels' names."""
    with urllib.request.urlopen(server.url, timeout=10) as reply:
        text = reply.read().decode()
    return {
        "/".join([sample.name, *(sample.labels[label] for label in sorted(sample.labels))]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_ratios_are_sums_and_counts_and_counts_are_counters(server: MetricsServer) -> None:
    seen = scrape(server)
    assert seen["stream_rec_served_hit_rate_sum/10/slate"] == 1
    assert seen["stream_rec_served_hit_rate_count/10/slate"] == 3
    assert seen["stream_rec_events_learned_total"] == 3
    assert seen["stream_rec_slates_written_total"] == 2
    assert seen["stream_rec_ctr_sum/default/new/none"] == 1
    assert seen["stream_rec_partition_lag/0/events"] == 4


def test_durations_are_histograms_in_seconds(server: MetricsServer) -> None:
    seen = scrape(server)
    assert seen["stream_rec_freshness_seconds_count"] == 3
    assert seen["stream_rec_freshness_seconds_sum"] == pytest.approx(0.06)
    assert seen["stream_rec_freshness_seconds_bucket/+Inf"] == 3
    assert seen["stream_rec_freshness_seconds_bucket/0.016"] == 0
    assert seen["stream_rec_freshness_seconds_bucket/0.032"] == 3
    assert seen["stream_rec_stage_seconds_count/recommend"] == 1


def test_a_reason_with_odd_characters_is_escaped(server: MetricsServer) -> None:
    assert scrape(server)['stream_rec_dead_letters_total/quote " and \n newline'] == 1


def test_the_memory_and_cpu_of_the_process_are_there_too(server: MetricsServer) -> None:
    assert scrape(server)["process_resident_memory_bytes"] > 0


def test_every_metric_of_the_table_is_announced(server: MetricsServer) -> None:
    with urllib.request.urlopen(server.url, timeout=10) as reply:
        text = reply.read().decode()
    announced = {
        line.split()[2].removesuffix("_total") for line in text.splitlines() if line.startswith("# TYPE")
    }
    assert {PREFIX + metric.prometheus for metric in METRICS if metric.prometheus} <= announced
