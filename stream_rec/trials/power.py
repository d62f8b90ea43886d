"""How many users an experiment needs, what it could find with those it has, and how many days are left."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from stream_rec.trials.estimates import Estimate
from stream_rec.trials.sequences import TUNED_USERS, two_sided

DAY_SECONDS = 86_400.0
_MOST_USERS = 1e15


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment is to find, and how surely.

    Attributes:
        mde: the smallest relative difference of interest, such as 0.05.
        alpha: two-sided.
        power: the chance to find it if it is there.
        share: of all users in the experiment that are in the treatment, of those in it and the control.
        sequential: true = by the confidence sequence, looked at all the time; false = one t-test at the end.
        tuned: N* of the confidence sequence.
    """

    mde: float
    alpha: float = 0.05
    power: float = 0.8
    share: float = 0.5
    sequential: bool = True
    tuned: float = TUNED_USERS


def needed_users(control: Estimate, plan: Plan) -> float:
    """Users in control and treatment together, if both vary as the control does.

    Fixed horizon: (z_{1 - alpha/2} + z_power)^2 v / (mde R)^2, with v = s^2 (1 / (1 - share) + 1 / share) and s^2 the
    variance of a user (Lehr 1992; Kohavi, Tang & Xu 2020, chapter 15). Sequential: where the half width of the
    confidence sequence and z_power standard errors are together the difference: at that look alone the power is
    reached, so in all it is a little higher.

    Returns:
        Infinite where the control has no value or does not vary.
    """
    difference = abs(plan.mde * control.value)
    unit = control.variance * control.n * (1 / (1 - plan.share) + 1 / plan.share)
    if not (difference > 0 and unit > 0):
        return math.inf
    z_power = float(special.ndtri(plan.power))
    fixed = unit * (z_power - float(special.ndtri(plan.alpha / 2))) ** 2 / difference**2
    if not plan.sequential:
        return fixed
    low, high = fixed, fixed
    while _needs(high, unit, z_power, plan) > difference and high < _MOST_USERS:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _needs(middle, unit, z_power, plan) > difference else (low, middle)
    return high


def detectable(control: Estimate, users: float, plan: Plan) -> float:
    """The relative difference that this many users find with the plan's power; infinite where nothing is known."""
    unit = control.variance * control.n * (1 / (1 - plan.share) + 1 / plan.share)
    if control.value == 0 or unit <= 0 or users <= 0:
        return math.inf
    z_power = float(special.ndtri(plan.power))
    if plan.sequential:
        return _needs(users, unit, z_power, plan) / abs(control.value)
    z_alpha = -float(special.ndtri(plan.alpha / 2))
    return (z_alpha + z_power) * math.sqrt(unit / users) / abs(control.value)


def days_left(needed: float, users: float, running_seconds: float, min_runtime_seconds: float) -> float:
    """Days until there are enough users at the rate so far, and the minimum runtime is over; infinite at no rate."""
    least = max(min_runtime_seconds - running_seconds, 0.0) / DAY_SECONDS
    if users >= needed:
        return least
    if running_seconds <= 0 or users <= 0 or not math.isfinite(needed):
        return math.inf
    return max(least, (needed - users) / (users / running_seconds) / DAY_SECONDS)


def _needs(n: float, unit: float, z_power: float, plan: Plan) -> float:
    """The difference that n users find: half the width of the sequence, and the slack for the power."""
    variance = unit / n
    half = two_sided(Estimate(n, 0.0, variance), plan.alpha, plan.tuned).high
    return half + z_power * math.sqrt(variance)
