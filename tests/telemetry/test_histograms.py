"""Histograms of durations keep quantiles and add up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stream_rec.telemetry import histograms


def test_an_empty_histogram_has_no_quantile() -> None:
    assert math.isnan(histograms.quantile(histograms.empty(), 0.5))


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_quantiles_are_right_within_a_tenth(q: float) -> None:
    values = np.random.default_rng(1).lognormal(2.0, 1.0, 20_000)
    histogram = histograms.empty()
    for ms in values.tolist():
        histograms.add(histogram, ms)
    assert histograms.quantile(histogram, q) == pytest.approx(np.quantile(values, q), rel=0.1)


def test_the_shortest_and_the_longest_have_a_bucket() -> None:
    histogram = histograms.empty()
    histograms.add(histogram, 0.0)
    histograms.add(histogram, 1e12)
    assert histogram[0] == 1
    assert histogram[-1] == 1


def test_prometheus_buckets_are_cumulative_and_end_at_infinity() -> None:
    histogram = histograms.empty()
    for ms in (0.001, 1.0, 1.0, 500.0, 1e12):
        histograms.add(histogram, ms)
    buckets = list(histograms.octaves(histogram))
    counts = [count for _, count in buckets]
    assert counts == sorted(counts)
    assert buckets[-1] == ("+Inf", 5)
    assert dict(buckets)["0.001"] == 3
