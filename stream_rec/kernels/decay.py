"""Forward decay: weights grow with event time instead of fading with age (Cormode et al., ICDE 2009, section 3).

An event at ts weighs exp(rate (ts - landmark)); relative sizes are those of exponentially decayed counts, whatever the
order in which events arrive. The landmark is moved before the exponent grows too large.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.compile import kernel_inner

EXPONENT_MAX = 40.0
"""Renormalise before exp() of more than this: far inside float64, and a fixed function of the events' times."""


@kernel_inner
def growth(rate, landmark, ts):
    """How much an event at ts weighs in units of one at the landmark."""
    return np.exp(min(rate * (ts - landmark), EXPONENT_MAX))


@kernel_inner
def power(base, n):
    """Base to the power of n >= 0, a whole number.

    Not base ** n: numba compiles that once for all, with the rounding that the first kernel to need it allows.
    """
    result = 1.0
    while n > 0:
        if n & 1:
            result *= base
        base *= base
        n >>= 1
    return result
