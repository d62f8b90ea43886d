"""What becomes of an experiment, by rule: a pure function of its record, its outcomes and the time.

Every look may decide, however often it is taken: all rules stand on statistics that hold at all looks together. In
order:

1. The arms have not the users they were given (sample ratio, p < 0.001): rolled back.
2. A guardrail is certainly broken, or every arm certainly worse in the primary metric: rolled back.
3. While ramping: the next step when the present one has lasted, the full traffic after the last.
4. After the minimum runtime: an arm that is certainly better is shipped, the best of them; if no arm can be as much
   better as is worth having (MDE), or nobody of very many users has what is measured, or the maximum runtime is over,
   rolled back.

*Certainly*: outside of a confidence sequence, whose level is divided by the number of arms (and of guardrails). So in
an experiment whose arms are alike, something is shipped in `alpha` of all cases at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from msgspec import structs

from stream_rec.schemas.experiment import DAY_SECONDS, METRICS, Experiment
from stream_rec.trials import sample_ratio, sequences, thompson
from stream_rec.trials.estimates import Estimate, difference
from stream_rec.trials.interleaving import Preferences, preference
from stream_rec.trials.moments import Moments
from stream_rec.trials.obstacles import obstacles, says
from stream_rec.trials.readings import estimates, users_of, weights
from stream_rec.trials.states import Move, moved

BROKEN_SPLIT = 0.001
"""A sample ratio with a smaller p-value ends the experiment."""
Rule = Literal[
    "wait",
    "sample_ratio",
    "guardrail",
    "worse",
    "step",
    "better",
    "no_effect",
    "no_outcome",
    "over",
    "shares",
]


class Decided(NamedTuple):
    """What a rule says.

    Attributes:
        rule: which one; `wait` = none.
        why: for people.
        after: the experiment from now on; the same if nothing changes.
    """

    rule: Rule
    why: str
    after: Experiment


class _Said(NamedTuple):
    """What a rule asks for."""

    rule: Rule
    move: Move
    why: str
    winner: str = ""


def decide(name: str, experiment: Experiment, outcomes: Mapping[str, Moments], now: float) -> Decided:
    """What becomes of an experiment whose arms have users of their own.

    Args:
        name: of the experiment.
        experiment: as it is.
        outcomes: by arm, in their order (`Outcomes.by_arm`).
        now: seconds since the epoch.
    """
    if experiment.state not in ("running", "ramping"):
        return Decided("wait", f"it is {experiment.state}", experiment)
    if experiment.kind == "bandit":
        return _of_bandit(name, experiment, outcomes, now)
    if experiment.kind != "ab":
        if over := _over(experiment, now):
            return _done(name, experiment, over, now)
        return Decided(
            "wait", f"nothing is decided of a {experiment.kind} by its users' outcomes", experiment
        )
    users = users_of(outcomes)
    if split := _broken_split(experiment, list(users.values())):
        return _done(name, experiment, split, now)
    few = min(users.values()) < sequences.MIN_USERS
    found = _harm(experiment, outcomes) if not few else None
    found = found or _step(experiment, now)
    if found is None and experiment.state == "running":
        found = _end(experiment, outcomes if not few else None, now)
    if found is None:
        first = next(iter(obstacles(experiment, outcomes)), None)
        why = says(first) if first and first.metric == experiment.primary else "nothing is certain yet"
        return Decided("wait", why, experiment)
    return _done(name, experiment, found, now)


def decide_interleaved(name: str, experiment: Experiment, found: Preferences, now: float) -> Decided:
    """What becomes of an experiment whose two arms stand in one slate; A is the control.

    Args:
        name: of the experiment.
        experiment: as it is.
        found: whom its users prefer.
        now: seconds since the epoch.
    """
    if experiment.state not in ("running", "ramping"):
        return Decided("wait", f"it is {experiment.state}", experiment)
    at = preference(found)
    interval = (
        sequences.two_sided(at, experiment.alpha) if found.n >= sequences.MIN_USERS else sequences.EVERYTHING
    )
    arm = experiment.arms[1].name
    said: _Said | None = None
    if interval.high < 0:
        said = _Said("worse", "stop", f"users prefer the control to {arm}: {at.value:+.3f}")
    elif step := _step(experiment, now):
        said = step
    elif experiment.state == "running" and experiment.ran(now) >= experiment.min_runtime_days * DAY_SECONDS:
        if interval.low > 0:
            said = _Said("better", "ship", f"users prefer {arm}: {at.value:+.3f}", arm)
        else:
            said = _over(experiment, now)
    return (
        Decided("wait", "nothing is certain yet", experiment)
        if said is None
        else _done(name, experiment, said, now)
    )


def _of_bandit(name: str, experiment: Experiment, outcomes: Mapping[str, Moments], now: float) -> Decided:
    """Guardrails and the ramp as for others; then, every `step_hours`, new shares of the arms.

    Which users an arm has changes with what it earned, so nothing is shipped, and no sample ratio is asked for; and
    what others count by user is by slate (`readings.metric_of`).
    """
    few = min(users_of(outcomes).values()) < sequences.MIN_USERS
    found = _guarded(experiment, outcomes) if not few else None
    found = found or _step(experiment, now) or _over(experiment, now)
    if found is not None:
        return _done(name, experiment, found, now)
    if few or now - experiment.since < experiment.step_hours * 3600:
        return Decided("wait", "it is not time for new shares", experiment)
    earned = list(estimates(experiment, experiment.primary, outcomes).values())
    if not all(sequences.is_usable(each) for each in earned):
        return Decided("wait", "nothing is known of what the arms have earned", experiment)
    shares = thompson.shares(
        earned,
        METRICS[experiment.primary].better,
        experiment.min_share,
        seed=f"{name}/{now!r}",
    )
    told = ", ".join(f"{arm.name} {share:.1%}" for arm, share in zip(experiment.arms, shares, strict=True))
    after = structs.replace(experiment, shares=shares, since=now, reason=f"shares: {told}")
    return Decided("shares", told, after)


def _broken_split(experiment: Experiment, users: list[float]) -> _Said | None:
    p = sample_ratio.p_value(users, weights(experiment))
    if p >= BROKEN_SPLIT:
        return None
    have = ", ".join(f"{arm.name} {n:.0f}" for arm, n in zip(experiment.arms, users, strict=True))
    return _Said("sample_ratio", "stop", f"the arms have not the users they were given (p = {p:.2g}): {have}")


def _guarded(experiment: Experiment, outcomes: Mapping[str, Moments]) -> _Said | None:
    n_arms = len(experiment.arms) - 1
    for guardrail in experiment.guardrails:
        alpha = experiment.alpha / (n_arms * len(experiment.guardrails))
        for arm, gain in _gains(experiment, guardrail.metric, outcomes, -guardrail.tolerated):
            if sequences.upper(gain, alpha) < 0:
                beyond = f" by more than {guardrail.tolerated:.1%}" if guardrail.tolerated else ""
                return _Said("guardrail", "stop", f"{guardrail.metric} of {arm} is worse{beyond}")
    return None


def _harm(experiment: Experiment, outcomes: Mapping[str, Moments]) -> _Said | None:
    if said := _guarded(experiment, outcomes):
        return said
    alpha = experiment.alpha / (len(experiment.arms) - 1)
    if all(
        sequences.two_sided(gain, alpha).high < 0
        for _, gain in _gains(experiment, experiment.primary, outcomes)
    ):
        return _Said("worse", "stop", f"{experiment.primary} is worse than the control's in every arm")
    return None


def _step(experiment: Experiment, now: float) -> _Said | None:
    hours = (now - experiment.since) / 3600
    if experiment.state != "ramping" or hours < experiment.step_hours:
        return None
    return _Said(
        "step", "ramp", f"{experiment.share:.0%} of the users for {hours:.0f} hours, and nothing is worse"
    )


def _end(experiment: Experiment, outcomes: Mapping[str, Moments] | None, now: float) -> _Said | None:
    if experiment.ran(now) < experiment.min_runtime_days * DAY_SECONDS:
        return None
    if outcomes is None:
        return _over(experiment, now)
    alpha = experiment.alpha / (len(experiment.arms) - 1)
    sure = {
        arm: gain
        for arm, gain in _gains(experiment, experiment.primary, outcomes)
        if sequences.two_sided(gain, alpha).low > 0
    }
    if sure:
        best = max(sure, key=lambda arm: sure[arm].value)
        return _Said("better", "ship", f"{experiment.primary} of {best} is better than the control's", best)
    worth = _gains(experiment, experiment.primary, outcomes, experiment.mde)
    if all(sequences.two_sided(gain, alpha).high < 0 for _, gain in worth):
        return _Said("no_effect", "stop", f"no arm is better in {experiment.primary} by {experiment.mde:.1%}")
    return _nothing(experiment, outcomes) or _over(experiment, now)


def _nothing(experiment: Experiment, outcomes: Mapping[str, Moments]) -> _Said | None:
    """Is the primary metric one that nobody has?

    Of `sequences.TUNED_USERS` users of whom none has it, fewer than 3 in so many have it at all (95 %; Hanley &
    Lippman-Hand 1983, "If nothing goes wrong, is everything all right?", JAMA 249): millions would be needed.
    """
    n = sum(users_of(outcomes).values())
    if n < sequences.TUNED_USERS:
        return None
    if any(sequences.is_usable(gain) for _, gain in _gains(experiment, experiment.primary, outcomes)):
        return None
    return _Said(
        "no_outcome", "stop", f"none of {n:,.0f} users has {experiment.primary} that could be compared"
    )


def _over(experiment: Experiment, now: float) -> _Said | None:
    days = experiment.max_runtime_days
    if not days or experiment.ran(now) < days * DAY_SECONDS:
        return None
    return _Said("over", "stop", f"nothing is certain after {days:g} days")


def _gains(
    experiment: Experiment, metric: str, outcomes: Mapping[str, Moments], beyond: float = 0.0
) -> Iterator[tuple[str, Estimate]]:
    """By arm, how much better it is than the control, less `beyond` of the control: above 0 is better by more."""
    better = METRICS[metric].better
    control, *treatments = estimates(experiment, metric, outcomes).items()
    for arm, treatment in treatments:
        gain = difference(control[1], treatment, better * beyond)
        yield arm, gain._replace(value=better * gain.value)


def _done(name: str, experiment: Experiment, said: _Said, now: float) -> Decided:
    after = moved(name, experiment, said.move, now, winner=said.winner, reason=f"{said.rule}: {said.why}")
    return Decided(said.rule, said.why, after)
