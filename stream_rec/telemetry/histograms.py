"""Log-spaced histograms of durations: bounded, additive, and good for quantiles to a few per cent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.prequential import FIRST_MS, N_BUCKETS, PER_OCTAVE, bucket_of_ms

UPPER_MS = FIRST_MS * 2.0 ** (np.arange(N_BUCKETS) / PER_OCTAVE)
"""Upper bound of each bucket; the last one also holds all that is longer."""


def empty() -> NDArray[np.int64]:
    """A histogram with nothing in it."""
    return np.zeros(N_BUCKETS, np.int64)


def add(histogram: NDArray[np.int64], ms: float) -> None:
    """Count one duration, in place."""
    histogram[bucket_of_ms(ms)] += 1


def quantile(histogram: NDArray[np.int64], q: float) -> float:
    """The q-quantile in ms, interpolated inside its bucket; NaN when the histogram is empty."""
    cumulative = np.cumsum(histogram)
    if not cumulative[-1]:
        return float("nan")
    wanted = q * cumulative[-1]
    at = int(np.searchsorted(cumulative, wanted))
    below = cumulative[at - 1] if at else 0
    lower = UPPER_MS[at - 1] if at else 0.0
    return float(lower + (UPPER_MS[at] - lower) * (wanted - below) / histogram[at])


def octaves(histogram: NDArray[np.int64]) -> Iterator[tuple[str, float]]:
    """(upper bound in seconds, how many up to it) for every fourth bucket, then `+Inf`: what Prometheus wants."""
    cumulative = np.cumsum(histogram)
    for at in range(0, N_BUCKETS - 1, PER_OCTAVE):
        yield f"{UPPER_MS[at] / 1000:.6g}", float(cumulative[at])
    yield "+Inf", float(cumulative[-1])
