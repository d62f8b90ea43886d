"""Asymptotic confidence sequences: intervals that may be looked at as often as one likes, and stopped at any look.

Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences"
(arXiv 2103.06476; Annals of Statistics 2024). Asymptotic: they hold once the first look has enough users (`MIN_USERS`
of each arm), as a t-test does at its only one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from stream_rec.trials.estimates import Estimate

TUNED_USERS = 5_000.0
"""N*: at so many users the interval is tightest; it holds at every number."""
MIN_USERS = 100
"""Of each arm, before anything is concluded."""


class Interval(NamedTuple):
    """From low to high; an open end is infinite."""

    low: float
    high: float

    def has(self, value: float) -> bool:
        """Is it inside?"""
        return self.low <= value <= self.high


EVERYTHING = Interval(-math.inf, math.inf)


def rho(alpha: float, tuned: float = TUNED_USERS) -> float:
    """The width of the mixture for which the interval is tightest at `tuned` users (appendix B.2 of the paper)."""
    twice_log = -2 * math.log(alpha)
    return math.sqrt((twice_log + math.log(twice_log + 1)) / tuned)


def two_sided(estimate: Estimate, alpha: float, tuned: float = TUNED_USERS) -> Interval:
    """The (1 - alpha) confidence sequence at its present number of users (theorem 2.2 of the paper).

    m +- s sqrt( 2 (n rho^2 + 1) / (n^2 rho^2) log( sqrt(n rho^2 + 1) / alpha ) ), where s^2 / n is the estimate's
    variance.

    Returns:
        Everything where the variance is 0 or unknown: nothing has varied yet.
    """
    if not is_usable(estimate):
        return EVERYTHING
    width = estimate.standard_error * _in_standard_errors(
        estimate.n, rho(alpha, tuned), math.log(1 / alpha), two=True
    )
    return Interval(estimate.value - width, estimate.value + width)


def lower(estimate: Estimate, alpha: float, tuned: float = TUNED_USERS) -> float:
    """The end of the one-sided (1 - alpha) confidence sequence below (appendix B.1 of the paper).

    m - s sqrt( 2 (n rho^2 + 1) / (n^2 rho^2) log( 1 + sqrt(n rho^2 + 1) / (2 alpha) ) ), rho for 2 alpha.
    """
    if not is_usable(estimate):
        return -math.inf
    width = _in_standard_errors(estimate.n, rho(2 * alpha, tuned), math.log(1 / (2 * alpha)), two=False)
    return estimate.value - estimate.standard_error * width


def upper(estimate: Estimate, alpha: float, tuned: float = TUNED_USERS) -> float:
    """As `lower`, above."""
    return -lower(estimate._replace(value=-estimate.value), alpha, tuned)


def p_value(estimate: Estimate, alpha: float = 0.05, tuned: float = TUNED_USERS) -> float:
    """Always valid: the level at which the two-sided confidence sequence just reaches 0, tuned for `alpha`.

    1 / M, M = exp( rho^2 S^2 / (2 (n rho^2 + 1)) ) / sqrt(n rho^2 + 1), S^2 = n m^2 / variance: the mixture over normal
    alternatives (Robbins 1970). At most 1.
    """
    if not is_usable(estimate):
        return 1.0
    spread = estimate.n * rho(alpha, tuned) ** 2
    log_mixture = _exponent(estimate, spread) - math.log(spread + 1) / 2
    return math.exp(min(-log_mixture, 0.0))


def p_value_above(estimate: Estimate, alpha: float = 0.05, tuned: float = TUNED_USERS) -> float:
    """The same of `lower`: small if the truth is above 0."""
    if not is_usable(estimate) or estimate.value <= 0:
        return 1.0
    spread = estimate.n * rho(2 * alpha, tuned) ** 2
    exponent = _exponent(estimate, spread)
    if exponent > 700:  # the largest power that a float holds; p is 0 to all its digits
        return 0.0
    return min(1.0, math.sqrt(spread + 1) / (2 * math.expm1(exponent)))


def is_usable(estimate: Estimate) -> bool:
    """Does it vary, so that a sequence says anything of it?"""
    return estimate.n > 0 and estimate.variance > 0 and math.isfinite(estimate.value)


def _exponent(estimate: Estimate, spread: float) -> float:
    return estimate.value**2 / estimate.variance * spread / (2 * (spread + 1))


def _in_standard_errors(n: float, of_rho: float, log_level: float, *, two: bool) -> float:
    spread = n * of_rho * of_rho
    log_root = math.log(spread + 1) / 2 + log_level
    if not two:
        log_root = math.log1p(math.exp(min(log_root, 700.0)))
    return math.sqrt(2 * (spread + 1) / spread * log_root)
