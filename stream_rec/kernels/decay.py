"""Forward decay: weights grow with event time instead of fading with age (Cormode et al., ICDE 2009, section 3).

An event at ts weighs exp(rate (ts - landmark)); relative sizes are those of exponentially decayed counts, whatever the
order in which events arrive. The landmark is moved before the exponent grows too large.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.compile import kernel

EXPONENT_MAX = 40.0
"""Renormalise before exp() of more than this: far inside float64, and a fixed function of the events' times."""


@kernel
def growth(rate, landmark, ts):
    """How much an event at ts weighs in units of one at the landmark."""
    return np.exp(min(rate * (ts - landmark), EXPONENT_MAX))
