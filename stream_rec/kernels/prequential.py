"""Sums of ranking metrics from ranks, and log-spaced histograms of durations."""

from __future__ import annotations

import math

from stream_rec.kernels.compile import kernel

N_BUCKETS = 108
FIRST_MS = 1.0 / 64.0
PER_OCTAVE = 4
"""Bucket i of a histogram holds durations up to FIRST_MS * 2**(i / PER_OCTAVE) ms: 16 us to half an hour, 19 % wide."""


@kernel
def add_ranks(sums, row, ranks, first, last, k):
    """Add the hit, reciprocal rank and DCG gain of each rank to three rows per judge.

    There is one relevant item, so the ideal DCG is 1: a rank of 1 to k gives hit = 1, RR = 1 / rank and
    nDCG = 1 / log2(rank + 1); any other gives 0.

    Args:
        sums: float64 [rows, 2] (numerator, denominator), changed in place.
        row: judge j has rows row + 3 j (hit), + 1 (RR), + 2 (nDCG).
        ranks: int32 [m, judges]; 0 = miss, negative = not known, which counts nowhere.
        first: first event.
        last: one past the last.
        k: cut-off.
    """
    for j in range(ranks.shape[1]):
        hits = reciprocal = gain = 0.0
        judged = 0
        for i in range(first, last):
            rank = ranks[i, j]
            if rank < 0:
                continue
            judged += 1
            if 0 < rank <= k:
                hits += 1.0
                reciprocal += 1.0 / rank
                gain += 1.0 / math.log2(rank + 1.0)
        at = row + 3 * j
        sums[at, 0] += hits
        sums[at + 1, 0] += reciprocal
        sums[at + 2, 0] += gain
        for metric in range(3):
            sums[at + metric, 1] += judged


@kernel
def add_durations(sums, row, within, limits_ms, histogram, broker_ts, first, last, now_ms):
    """Add the ages now_ms - broker_ts[first:last] (never below 0).

    Args:
        sums: float64 [rows, 2], changed in place: sum of ms and count at `row`, events within each limit at `within`...
        row: of the sum.
        within: of the first limit.
        limits_ms: float64 [l].
        histogram: int64 [N_BUCKETS], changed in place.
        broker_ts: int64 [n], ms.
        first: first event.
        last: one past the last.
        now_ms: float.
    """
    for i in range(first, last):
        ms = max(now_ms - broker_ts[i], 0.0)
        sums[row, 0] += ms
        histogram[bucket_of_ms(ms)] += 1
        for limit in range(limits_ms.shape[0]):
            if ms <= limits_ms[limit]:
                sums[within + limit, 0] += 1.0
    sums[row, 1] += last - first
    for limit in range(limits_ms.shape[0]):
        sums[within + limit, 1] += last - first


@kernel
def bucket_of_ms(ms):
    """Bucket of a duration; the last one takes everything above."""
    if ms <= FIRST_MS:
        return 0
    return min(math.ceil(PER_OCTAVE * math.log2(ms / FIRST_MS)), N_BUCKETS - 1)
