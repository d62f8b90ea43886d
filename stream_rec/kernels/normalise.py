"""Features free of scale: counts, similarities and cosines of any data set look alike to the ranker.

Each kernel changes column[:n], float32, in place.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.compile import kernel_sums

LOG_SPAN = np.float32(8.0)
"""Items less popular than exp(-8) of the most popular candidate look alike."""


@kernel_sums
def share_of_heaviest(column, n):
    """Each by the heaviest of them, square-rooted."""
    top = np.float32(0.0)
    for c in range(n):
        top = max(top, column[c])
    if top == np.float32(0.0):
        return
    scale = np.float32(1.0) / top
    for c in range(n):
        column[c] = np.sqrt(column[c] * scale)


@kernel_sums
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


@kernel_sums
def height(column, n):
    """Logarithms as places between 0 (LOG_SPAN or more below the greatest) and 1 (the greatest)."""
    heaviest = np.float32(-1e30)
    for c in range(n):
        heaviest = max(heaviest, column[c])
    for c in range(n):
        column[c] = np.float32(1.0) + max(column[c] - heaviest, -LOG_SPAN) / LOG_SPAN
