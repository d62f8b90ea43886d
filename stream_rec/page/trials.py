"""What the page says of an experiment: how its guardrails stand, how it goes, what can be done with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from stream_rec.schemas.experiment import METRICS, Arm, Experiment
from stream_rec.sdk.experiments import Counted, Lift
from stream_rec.trials.decide import BROKEN_SPLIT
from stream_rec.trials.states import ALLOWED, Move

Verdict = Literal["better", "worse", "open"]
Standing = Literal["held", "broken", "open"]
_LEAST_SCALE, _MOST_SCALE = 0.02, 1.0


class Guarded(NamedTuple):
    """A guardrail of one arm.

    Attributes:
        lift: of its metric.
        tolerated: the relative loss that is borne.
        stands: `held` = certainly no worse than is tolerated, `broken` = certainly worse; by the confidence sequence.
    """

    lift: Lift
    tolerated: float
    stands: Standing


def gain(lift: Lift) -> tuple[float, float] | None:
    """The confidence sequence so that more is better; None = not known yet."""
    if lift.low is None or lift.high is None:
        return None
    is_better = lift.metric not in METRICS or METRICS[lift.metric].better > 0
    return (lift.low, lift.high) if is_better else (-lift.high, -lift.low)


def verdict(lift: Lift) -> Verdict:
    """Is the arm certainly better or worse than the control, in this metric?"""
    low, high = gain(lift) or (-1.0, 1.0)
    return "better" if low > 0 else "worse" if high < 0 else "open"


def primary(experiment: Experiment, counted: Counted | None) -> list[Lift]:
    """Of every arm but the control: what decides, without figures until something is known; nothing of a bandit."""
    if experiment.kind not in ("ab", "interleaving"):
        return []
    metric = "preference" if experiment.kind == "interleaving" else experiment.primary
    found = {each.variant: each for each in counted.lifts if each.metric == metric} if counted else {}
    return [found.get(arm.name, Lift(metric, arm.name)) for arm in experiment.arms[1:]]


def secondary(experiment: Experiment, counted: Counted | None) -> list[Lift]:
    """Of the other metrics that are shown and every arm, as `primary`."""
    if experiment.kind != "ab":
        return []
    found = {(each.metric, each.variant): each for each in counted.lifts} if counted else {}
    return [
        found.get((metric, arm.name), Lift(metric, arm.name))
        for metric in experiment.secondary
        for arm in experiment.arms[1:]
    ]


def guardrails(experiment: Experiment, counted: Counted | None) -> Iterator[Guarded]:
    """Of every guardrail that is asked, and every arm."""
    for each in experiment.guardrails if experiment.kind in ("ab", "bandit") else ():
        found = (
            {lift.variant: lift for lift in counted.lifts if lift.metric == each.metric} if counted else {}
        )
        for arm in experiment.arms[1:]:
            lift = found.get(arm.name, Lift(each.metric, arm.name))
            low, high = gain(lift) or (-float("inf"), float("inf"))
            stands: Standing = (
                "broken" if high < -each.tolerated else "held" if low >= -each.tolerated else "open"
            )
            yield Guarded(lift, each.tolerated, stands)


def users(counted: Counted | None) -> float:
    """Of all arms together."""
    return sum(each.get("user", 0.0) for each in counted.outcomes.values()) if counted else 0.0


def is_split_broken(counted: Counted | None) -> bool:
    """Have the arms not the users that they were given?"""
    return counted is not None and counted.sample_ratio is not None and counted.sample_ratio < BROKEN_SPLIT


def moves(experiment: Experiment) -> list[Move]:
    """What can be done with it now."""
    return [move for move, states in ALLOWED.items() if experiment.state in states]


def scale(lifts: list[Lift]) -> float:
    """The largest relative difference that a drawing of these should reach, either side of none."""
    ends = [abs(end) for each in lifts for end in (each.low, each.high) if end is not None]
    return min(max([*ends, _LEAST_SCALE]), _MOST_SCALE)


def changes(arm: Arm) -> str:
    """What an arm changes, in words."""
    said = [f"{name} = {value}" for name, value in arm.scenario.items()]
    said += [f"sources {', '.join(arm.sources)}"] if arm.sources else []
    said += [f"learning_rate \N{MULTIPLICATION SIGN} {arm.learning_rate:g}"] if arm.learning_rate != 1 else []
    return "; ".join(said) or "nothing"
