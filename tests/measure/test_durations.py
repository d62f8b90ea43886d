"""Histograms of durations keep quantiles and add up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stream_rec.measure import durations


def test_an_empty_histogram_has_no_quantile() -> None:
    assert math.isnan(durations.quantile(durations.empty(), 0.5))


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_quantiles_are_right_within_a_tenth(q: float) -> None:
    values = np.random.default_rng(1).lognormal(2.0, 1.0, 20_000)
    histogram = durations.empty()
    for ms in values.tolist():
        durations.add(histogram, ms)
    assert durations.quantile(histogram, q) == pytest.approx(np.quantile(values, q), rel=0.1)


def test_the_shortest_and_the_longest_have_a_bucket() -> None:
    histogram = durations.empty()
    durations.add(histogram, 0.0)
    durations.add(histogram, 1e12)
    assert histogram[0] == 1
    assert histogram[-1] == 1


def test_prometheus_buckets_are_cumulative_and_end_at_infinity() -> None:
    histogram = durations.empty()
    for ms in (0.001, 1.0, 1.0, 500.0, 1e12):
        durations.add(histogram, ms)
    buckets = list(durations.octaves(histogram))
    counts = [count for _, count in buckets]
    assert counts == sorted(counts)
    assert buckets[-1] == ("+Inf", 5)
    assert dict(buckets)["0.001"] == 3
