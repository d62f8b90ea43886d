"""What an experiment says now: each metric of each arm against the control, and how much is still missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from stream_rec.schemas.experiment import DAY_SECONDS, METRICS, Experiment
from stream_rec.trials import fixed, sample_ratio, sequences
from stream_rec.trials.estimates import (
    SHOWN,
    USERS,
    Estimate,
    Metric,
    cuped,
    difference,
    one_otherwise,
    relative,
)
from stream_rec.trials.moments import Moments
from stream_rec.trials.power import Plan, days_left, needed_users
from stream_rec.trials.sequences import Interval


class Reading(NamedTuple):
    """One metric of one arm against the control.

    Attributes:
        metric: one of METRICS.
        arm: not the control.
        control: the control's value.
        treatment: the arm's.
        lift: their relative difference.
        interval: a confidence sequence for the lift.
        p_value: always valid, against no difference.
        corrected: the same by Holm over all metrics and arms of the experiment.
        once: a t-test of the difference, for one look at a planned end.
    """

    metric: str
    arm: str
    control: Estimate
    treatment: Estimate
    lift: float
    interval: Interval
    p_value: float
    corrected: float
    once: fixed.Test


@dataclass(frozen=True, slots=True)
class Readings:
    """All of an experiment.

    Attributes:
        users: by arm.
        sample_ratio: always-valid p-value against the planned shares.
        rows: the primary metric first, arms in their order.
        needed_users: for the primary metric and the MDE, in all arms together.
        days_left: until they are there and the minimum runtime is over.
    """

    users: Mapping[str, float]
    sample_ratio: float
    rows: tuple[Reading, ...]
    needed_users: float
    days_left: float


def read(experiment: Experiment, outcomes: Mapping[str, Moments], now: float) -> Readings:
    """What it says now.

    Args:
        experiment: which.
        outcomes: by arm, in their order (`Outcomes.by_arm`).
        now: seconds since the epoch.
    """
    users = users_of(outcomes)
    metrics = dict.fromkeys(
        [experiment.primary, *experiment.secondary, *(each.metric for each in experiment.guardrails)]
    )
    rows = [row for name in metrics for row in _rows(name, experiment, outcomes)]
    corrected = fixed.holm({f"{row.metric}/{row.arm}": row.p_value for row in rows})
    needed = _needed(experiment, rows[0].control)
    running = experiment.ran(now)
    return Readings(
        users,
        sample_ratio.p_value(list(users.values()), weights(experiment)),
        tuple(row._replace(corrected=corrected[f"{row.metric}/{row.arm}"]) for row in rows),
        needed,
        days_left(needed, sum(users.values()), running, experiment.min_runtime_days * DAY_SECONDS),
    )


def weights(experiment: Experiment) -> list[float]:
    """Of the arms, in their order."""
    return list(experiment.weights)


def users_of(outcomes: Mapping[str, Moments]) -> dict[str, float]:
    """How many users each arm has."""
    return {arm: moments.total(USERS) for arm, moments in outcomes.items()}


def estimates(experiment: Experiment, metric: str, outcomes: Mapping[str, Moments]) -> dict[str, Estimate]:
    """A metric by arm, adjusted by the users' own past where one is counted (`cuped`, `one_otherwise`)."""
    return one_otherwise(cuped(outcomes, metric_of(experiment, metric)))


def metric_of(experiment: Experiment, name: str) -> Metric:
    """What one of METRICS is of, in this experiment.

    In a bandit users move between arms. So an arm's sum by user is the larger, the longer it has had its users: who has
    most of them would seem to earn most, whatever it is worth. There it is by slate shown; and there is no past, for
    that of a user who was in another arm before is not from before the experiment.
    """
    measured = METRICS[name]
    if experiment.kind == "bandit":
        return Metric(measured.numerator, SHOWN if measured.denominator == USERS else measured.denominator)
    return Metric(measured.numerator, measured.denominator, measured.before)


def _rows(metric: str, experiment: Experiment, outcomes: Mapping[str, Moments]) -> list[Reading]:
    control, *treatments = estimates(experiment, metric, outcomes).items()
    rows = []
    for arm, treatment in treatments:
        at, lift = difference(control[1], treatment), relative(control[1], treatment)
        p_value = sequences.p_value(at, experiment.alpha)
        interval = sequences.two_sided(lift, experiment.alpha)
        once = fixed.t_test(control[1], treatment, experiment.alpha)
        rows.append(Reading(metric, arm, control[1], treatment, lift.value, interval, p_value, p_value, once))
    return rows


def _needed(experiment: Experiment, control: Estimate) -> float:
    """Of the control and its largest need: every arm compared with it at a corrected level."""
    each = weights(experiment)
    needs = [
        needed_users(
            control,
            Plan(
                experiment.mde,
                experiment.alpha / (len(each) - 1),
                experiment.power,
                weight / (each[0] + weight),
            ),
        )
        * sum(each)
        / (each[0] + weight)
        for weight in each[1:]
    ]
    return max(needs)
