"""Estimates from an arm's moments: means, ratios, their differences; and CUPED, which takes out what was so before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from stream_rec.trials.moments import Moments

USERS = "user"
"""The outcome that is 1 for each user: the denominator of a mean by user."""
SHOWN = "shown"
"""That of slates."""


class Estimate(NamedTuple):
    """A number from n users, and how sure it is.

    Attributes:
        n: users.
        value: the estimate.
        variance: of the estimate, not of a user.
    """

    n: float
    value: float
    variance: float

    @property
    def standard_error(self) -> float:
        """Its standard deviation."""
        return float(self.variance**0.5)


class Metric(NamedTuple):
    """A ratio of two sums: of the mean by user, the denominator is `user`.

    Attributes:
        numerator: outcome.
        denominator: outcome.
        before: what the numerator was before the experiment (CUPED); empty = not known.
        before_denominator: as `denominator`, of `before`; empty = `user`.
    """

    numerator: str
    denominator: str = USERS
    before: str = ""
    before_denominator: str = ""


def estimate(moments: Moments, metric: Metric, theta: float = 0.0, before: float = 0.0) -> Estimate:
    """A metric of one arm.

    R = sum Y / sum D, with variance g'Cg / n, g = (1, -R) / mean D: the delta method over units (Deng, Knoblich & Lu
    2018, "Applying the Delta Method in Metric Analytics", KDD, eq. 3). Where D is 1 for each unit, that is the mean
    with its ordinary variance s^2 / n.

    With theta it is adjusted by what was before: R - theta (R0 - `before`), see `cuped`.

    Args:
        moments: of the arm; with the outcome `user`.
        metric: what is asked.
        theta: of CUPED; 0 = none.
        before: the mean of R0 over all arms.

    Returns:
        NaN, with a variance of NaN, where the denominator is 0: nothing is known of it.
    """
    n = moments.total(USERS)
    below = moments.total(metric.denominator)
    if below == 0:
        return Estimate(n, math.nan, math.nan)
    value = moments.total(metric.numerator) / below
    slopes = moments.slopes(metric.numerator, metric.denominator)
    if theta and metric.before:
        past = metric.before_denominator or USERS
        value -= theta * (_ratio(moments, metric.before, past) - before)
        slopes = slopes - theta * moments.slopes(metric.before, past)
    return Estimate(n, value, moments.variance_of(slopes))


def cuped(arms: Mapping[str, Moments], metric: Metric) -> dict[str, Estimate]:
    """A metric of every arm, adjusted by the users' own past.

    CUPED (Deng, Xu, Kohavi & Walker 2013, "Improving the Sensitivity of Online Controlled Experiments by Utilizing
    Pre-Experiment Data", WSDM, eq. 4): Y - theta (X - E X), theta = cov(Y, X) / var(X), over all arms together, so that
    the comparison of arms stays unbiased. For ratios both are linearised first (their slopes). The variance is
    (1 - rho^2) of the plain one.

    The past must be from before a user's first slate of the experiment, or it takes out what is to be measured.

    Returns:
        By arm; without a past, or one that never varies, the plain estimates.
    """
    if not metric.before or not any(moments.total(metric.before) for moments in arms.values()):
        return {arm: estimate(moments, metric) for arm, moments in arms.items()}
    whole = _together(arms)
    past = metric.before_denominator or USERS
    of_past = whole.slopes(metric.before, past)
    spread = whole.variance_of(of_past)
    shared = whole.covariance_of(whole.slopes(metric.numerator, metric.denominator), of_past)
    theta = shared / spread if spread > 0 else 0.0
    before = _ratio(whole, metric.before, past)
    return {arm: estimate(moments, metric, theta, before) for arm, moments in arms.items()}


def one_otherwise(arms: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Of arms in which nothing varies, with the variance that one more user would give who is otherwise.

    Where all users of an arm are alike its variance is 0, and no formula here says anything, although so many users
    who are alike say much. So one is added, as Agresti & Caffo (2000, "Simple and Effective Confidence Intervals for
    Proportions and Differences of Proportions Result from Adding Two Successes and Two Failures", The American
    Statistician 54) do to each arm of two proportions; here only for the variance, which becomes (s / n)^2, s the
    largest value of any arm: from s to 0 is how far the one may be from the others.

    Returns:
        By arm; unchanged where something varies, and where every arm has 0: of what nobody does nothing is known.
    """
    largest = max((abs(each.value) for each in arms.values() if math.isfinite(each.value)), default=0.0)
    return {
        arm: each._replace(variance=(largest / each.n) ** 2) if each.variance == 0 and each.n else each
        for arm, each in arms.items()
    }


def difference(control: Estimate, treatment: Estimate, tolerated: float = 0.0) -> Estimate:
    """Treatment - control - tolerated |control|: above 0 if the treatment is better by more than this share.

    A linear contrast, so its variance is exact; a relative difference, divided by a control that is itself uncertain,
    leans to one side while users are few. A share is one of the control's size: net revenue may be below 0.
    """
    weight = 1 + (tolerated if control.value >= 0 else -tolerated)
    return Estimate(
        control.n + treatment.n,
        treatment.value - weight * control.value,
        treatment.variance + weight * weight * control.variance,
    )


def relative(control: Estimate, treatment: Estimate) -> Estimate:
    """(Treatment - control) / |control|, by the delta method (Deng, Knoblich & Lu 2018); NaN at control 0.

    So more is above 0 where the control is below 0, too.
    """
    n = control.n + treatment.n
    if control.value == 0:
        return Estimate(n, float("nan"), float("nan"))
    ratio = treatment.value / control.value
    variance = (treatment.variance + ratio * ratio * control.variance) / control.value**2
    return Estimate(n, math.copysign(1.0, control.value) * (ratio - 1), variance)


def _ratio(moments: Moments, numerator: str, denominator: str) -> float:
    below = moments.total(denominator)
    return moments.total(numerator) / below if below else 0.0


def _together(arms: Mapping[str, Moments]) -> Moments:
    first, *others = arms.values()
    for moments in others:
        first = first + moments
    return first
