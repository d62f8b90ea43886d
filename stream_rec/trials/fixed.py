"""Figures for one look at a planned end: Welch's t-test, and Holm's correction for several metrics.

Whoever looks more than once and stops at what he sees must not use these: a t-test at 5 %, looked at a hundred times,
finds something in a third of all experiments without any effect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from scipy import special

from stream_rec.trials.estimates import Estimate
from stream_rec.trials.sequences import EVERYTHING, Interval


class Test(NamedTuple):
    """A test of difference 0.

    Attributes:
        p_value: two-sided.
        interval: for the difference.
        degrees: of freedom (Welch and Satterthwaite).
    """

    p_value: float
    interval: Interval
    degrees: float


def t_test(control: Estimate, treatment: Estimate, alpha: float = 0.05) -> Test:
    """Welch's test of two estimates with their own variances (Welch 1947, Biometrika 34, 28-35).

    Degrees of freedom: (v1 + v2)^2 / (v1^2 / (n1 - 1) + v2^2 / (n2 - 1)), v = variance of the estimate.

    Returns:
        p 1 and an interval of everything where nothing varies or is known, or an arm has fewer than two users.
    """
    variance = control.variance + treatment.variance
    if not variance > 0 or min(control.n, treatment.n) < 2:
        return Test(1.0, EVERYTHING, 0.0)
    parts = (each.variance**2 / (each.n - 1) for each in (control, treatment))
    degrees = variance**2 / sum(parts)
    difference = treatment.value - control.value
    error = math.sqrt(variance)
    # Not scipy.stats, whose import takes a second: servers over HTTP need nothing else of it.
    width = -error * float(special.stdtrit(degrees, alpha / 2))
    p_value = 2 * float(special.stdtr(degrees, -abs(difference) / error))
    return Test(p_value, Interval(difference - width, difference + width), degrees)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values of several metrics, corrected so that at most one in 1 / alpha families finds anything false.

    Holm (1979, Scandinavian Journal of Statistics 6, 65-70): sorted, the i-th of m (from 0) times m - i, never below
    the one before, at most 1. Holds however the metrics depend on each other, and for always-valid p-values as well.
    """
    corrected: dict[str, float] = {}
    least = 0.0
    ordered = sorted(p_values, key=lambda name: p_values[name])
    for i, name in enumerate(ordered):
        least = max(least, min(1.0, p_values[name] * (len(ordered) - i)))
        corrected[name] = least
    return {name: corrected[name] for name in p_values}
