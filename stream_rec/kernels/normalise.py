"""Features free of scale: counts, similarities and cosines of any data set look alike to the ranker.

Each kernel changes column[:n], float32, in place.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.compile import kernel_inner, kernel_inner_sums

_NOTHING = np.float32(-1e30)
"""The logarithm of none, which can be subtracted from itself."""
LOG_SPAN = np.float32(8.0)
"""Items less popular than exp(-8) of the most popular candidate look alike."""


@kernel_inner
def greatest(column, n):
    """The greatest of column[:n], none of them NaN; 0 if there are none.

    Told by their bits: with the lower ones of the negative flipped, they are in order as integers, whose maximum is
    found eight or sixteen at a time; that of floats is not, as a NaN would have to come through.
    """
    if n == 0:
        return np.float32(0.0)
    bits = column.view(np.int32)
    top = np.int32(-0x80000000)
    for c in range(n):
        top = max(top, bits[c] ^ ((bits[c] >> np.int32(31)) & np.int32(0x7FFFFFFF)))
    return np.int32(top ^ ((top >> np.int32(31)) & np.int32(0x7FFFFFFF))).view(np.float32)


@kernel_inner_sums
def share_of_heaviest(column, n):
    """Each by the heaviest of them, square-rooted."""
    top = greatest(column, n)
    if top == np.float32(0.0):
        return
    scale = np.float32(1.0) / top
    for c in range(n):
        column[c] = np.sqrt(column[c] * scale)


@kernel_inner_sums
def standardise(column, n):
    """Mean 0 and deviation 1."""
    total = np.float32(0.0)
    squares = np.float32(0.0)
    for c in range(n):
        total += column[c]
        squares += column[c] * column[c]
    mean = total / np.float32(n)
    scale = np.float32(1.0) / np.sqrt(max(squares / np.float32(n) - mean * mean, np.float32(1e-6)))
    for c in range(n):
        column[c] = (column[c] - mean) * scale


@kernel_inner_sums
def height(column, n):
    """Logarithms as places between 0 (LOG_SPAN or more below the greatest) and 1 (the greatest)."""
    heaviest = max(greatest(column, n), _NOTHING)
    for c in range(n):
        column[c] = np.float32(1.0) + max(column[c] - heaviest, -LOG_SPAN) / LOG_SPAN
