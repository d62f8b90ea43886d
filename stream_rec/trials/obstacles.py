"""Why nothing can be said of an experiment yet, or ever: what stands in the way, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from stream_rec.schemas.experiment import METRICS, Experiment
from stream_rec.trials.estimates import cuped
from stream_rec.trials.interleaving import Preferences
from stream_rec.trials.moments import Moments
from stream_rec.trials.readings import metric_of, users_of
from stream_rec.trials.sequences import MIN_USERS

PREFERENCE = "preference"
"""What the lift of interleaved arms is of: from -1, all users prefer the control, to 1."""
Kind = Literal["no_scenario", "few_users", "not_counted", "no_outcome", "none_of_control", "all_alike"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Obstacle(NamedTuple):
    """What stands in the way of one metric.

    Attributes:
        kind: which.
        metric: one of METRICS, or PREFERENCE; of few users the one that decides.
    """

    kind: Kind
    metric: str


def obstacles(experiment: Experiment, outcomes: Mapping[str, Moments]) -> list[Obstacle]:
    """Of an experiment whose arms have users of their own: of what decides first, then of its other metrics.

    Args:
        experiment: which.
        outcomes: by arm, in their order (`Outcomes.by_arm`).
    """
    if experiment.kind == "shadow":
        return []
    if min(users_of(outcomes).values()) < MIN_USERS:
        return [Obstacle("few_users", experiment.primary)]
    asked = [each.metric for each in experiment.guardrails]
    if experiment.kind != "bandit":
        asked = [experiment.primary, *experiment.secondary, *asked]
    found = (
        (metric, _of(experiment, metric, outcomes)) for metric in dict.fromkeys([experiment.primary, *asked])
    )
    return [Obstacle(kind, metric) for metric, kind in found if kind is not None]


def obstacles_of_interleaved(found: Preferences) -> list[Obstacle]:
    """Of an experiment whose two arms stand in one slate."""
    if found.n < MIN_USERS:
        return [Obstacle("few_users", PREFERENCE)]
    return [Obstacle("all_alike", PREFERENCE)] if found.n in found else []


def says(at: Obstacle) -> str:
    """For people: what it is, and what to do."""
    if at.metric == PREFERENCE:
        return _OF_INTERLEAVED.get(at.kind, "")
    measured = METRICS[at.metric]
    return _SAYS[at.kind].format(metric=at.metric, denominator=measured.denominator, is_=measured.says)


def _of(experiment: Experiment, metric: str, outcomes: Mapping[str, Moments]) -> Kind | None:
    measured = metric_of(experiment, metric)
    control, *treatments = cuped(outcomes, measured).values()
    every = (control, *treatments)
    if any(moments.total(measured.denominator) == 0 for moments in outcomes.values()):
        return "not_counted"
    if any(each.variance for each in every):
        return "none_of_control" if control.value == 0 else None
    return "all_alike" if any(each.value for each in every) else "no_outcome"


_SAYS: Mapping[Kind, str] = {
    "no_scenario": (
        "there is none of the experiment's scenarios, so nobody is in it. See `stream-rec scenario list`: apply the "
        "scenario, or stop this one and apply it under another name with the scenario that is meant"
    ),
    "few_users": (
        f"an arm has fewer than {MIN_USERS} users: nothing is concluded. Users count whose impressions name "
        "`experiment` and `variant` of their slate; more traffic brings them sooner"
    ),
    "not_counted": (
        "{metric} cannot be measured: {is_}, and an arm has none of the latter ({denominator}). See that events of "
        "its users arrive, or stop it and choose another metric"
    ),
    "no_outcome": (
        "{metric} is 0 for every user of every arm, so nothing can be compared. See that what it counts is "
        "published, under the user's id and within the attribution window; else stop it, and choose what users have"
    ),
    "none_of_control": (
        "{metric} is 0 for every user of the control, so there is no relative difference to show; rules go by the "
        "absolute one"
    ),
    "all_alike": (
        "{metric} is the same for every user of an arm. People differ: see what publishes it, and who these users "
        "are. Until then it is judged as if one more user of each arm were otherwise"
    ),
}
_OF_INTERLEAVED: Mapping[Kind, str] = {
    "few_users": (
        f"fewer than {MIN_USERS} users have clicked an item of either arm: nothing is concluded. Those have a say "
        "whose impressions name `experiment`, `variant` and `teams` of their slate, and who click"
    ),
    "all_alike": (
        "all users say the same of the two arms. People differ: see who clicks. Until then it is judged as if one more "
        "user said otherwise"
    ),
}
