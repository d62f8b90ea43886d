"""What an engine has counted of its experiments, as the statistics of `trials` take it, and what rules say of it."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from stream_rec.engine.arms.ranker import FIGURES
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import NamedFigure
from stream_rec.kernels.trial_state import OUTCOMES
from stream_rec.schemas.experiment import Experiment
from stream_rec.trials.decide import Decided, decide, decide_interleaved
from stream_rec.trials.interleaving import Preferences, verdict
from stream_rec.trials.moments import Moments
from stream_rec.trials.obstacles import PREFERENCE, Obstacle, obstacles, obstacles_of_interleaved
from stream_rec.trials.outcomes import Outcomes
from stream_rec.trials.readings import Readings, read, users_of
from stream_rec.trials.sequences import MIN_USERS


def moments(engine: Engine, name: str) -> Mapping[str, Moments]:
    """By arm, in their order; empty = nothing of it was counted."""
    found = engine.attribution.trials.totals(name)
    if found is None:
        return {}
    arms, table = found
    outcomes = Outcomes(arms, table.shape[1])
    outcomes.load(table)
    return outcomes.by_arm()


def figures(engine: Engine) -> dict[NamedFigure, float]:
    """What was counted: of experiments that are live, or whose table is still kept."""
    found: dict[NamedFigure, float] = {}
    for name, experiment in engine.decisions.experiments.items():
        if experiment.started:
            found[_figure("experiment_since", experiment=name, state=experiment.state)] = experiment.since
        found |= _lifts(engine, name, experiment)
        counted = engine.attribution.trials.totals(name)
        for arm, sums in zip(counted[0], counted[1].sum(axis=1), strict=True) if counted else ():
            for outcome, amount in zip(OUTCOMES, sums.tolist(), strict=True):
                found[_figure("experiment", experiment=name, variant=arm, outcome=outcome)] = amount
    for (name, arm, _), ranker in engine.arms.all().items():
        for figure, amount in zip(FIGURES, ranker.sums.tolist(), strict=True):
            found[_figure("experiment_ranker", experiment=name, variant=arm, figure=figure)] = amount
    return found


def _lifts(engine: Engine, name: str, experiment: Experiment) -> dict[NamedFigure, float]:
    """What the statistics say, as far as they say anything."""
    counted = moments(engine, name)
    nobody = not any(users_of(counted).values())  # else impressions of others' slates name it
    if nobody and experiment.kind != "shadow" and not engine.decisions.scenarios_of(name):
        return _obstacles(name, experiment, [Obstacle("no_scenario", experiment.primary)])
    if experiment.kind == "interleaving":
        return _preferred(engine, name, experiment)
    if experiment.kind == "shadow" or not _fits(experiment, counted):
        return {}
    found = _obstacles(name, experiment, obstacles(experiment, counted))
    if nobody:
        return found
    users = users_of(counted).values()
    told = read(experiment, counted, engine.event_time)
    metrics = {row.metric for row in told.rows}
    if experiment.kind == "bandit":  # who has earned gets more users: only what must not get worse is asked
        metrics = {each.metric for each in experiment.guardrails}
    else:
        found |= {
            _figure("experiment_reading", experiment=name, figure=figure): value
            for figure, value in _of_all_arms(told).items()
        }
    for row in [row for row in told.rows if row.metric in metrics] if min(users) >= MIN_USERS else ():
        figures = {
            "value": row.treatment.value,
            "control": row.control.value,
            "lift": row.lift,
            "low": row.interval.low,
            "high": row.interval.high,
            "p": row.p_value,
            "corrected": row.corrected,
        }
        found |= _of_arm(name, row.arm, row.metric, figures)
    return found


def _of_all_arms(told: Readings) -> dict[str, float]:
    figures = {
        "sample_ratio": told.sample_ratio,
        "needed_users": told.needed_users,
        "days_left": told.days_left,
    }
    return {figure: value for figure, value in figures.items() if isfinite(value)}


def _preferred(engine: Engine, name: str, experiment: Experiment) -> dict[NamedFigure, float]:
    """Whom users of interleaved slates prefer."""
    credited = Preferences.of_credits(*engine.attribution.trials.credits(name))
    told = _obstacles(name, experiment, obstacles_of_interleaved(credited))
    if credited.n < MIN_USERS:
        return told
    found = verdict(credited, experiment.alpha)
    figures = {
        "lift": found.preference,
        "low": found.interval.low,
        "high": found.interval.high,
        "p": found.p_value,
    }
    return told | _of_arm(name, experiment.arms[1].name, PREFERENCE, figures)


def _obstacles(name: str, experiment: Experiment, found: list[Obstacle]) -> dict[NamedFigure, float]:
    """What stands in the way, while it can still be mended: 1 of what decides, 0 of other metrics."""
    decides = (experiment.primary, PREFERENCE)
    return {
        _figure("experiment_obstacle", experiment=name, obstacle=each.kind, of=each.metric): float(
            each.metric in decides
        )
        for each in found
        if experiment.is_live
    }


def _of_arm(name: str, arm: str, of: str, figures: Mapping[str, float]) -> dict[NamedFigure, float]:
    return {
        _figure("experiment_lift", experiment=name, variant=arm, of=of, figure=figure): value
        for figure, value in figures.items()
        if isfinite(value)
    }


def _fits(experiment: Experiment, counted: Mapping[str, Moments]) -> bool:
    """Was it counted by the arms that it has?"""
    return tuple(counted) == tuple(arm.name for arm in experiment.arms)


def _figure(metric: str, /, **labels: str) -> NamedFigure:
    return metric, tuple(labels.items())


def decided(engine: Engine, name: str, experiment: Experiment, now: float) -> Decided:
    """What the rules make of an experiment now (seconds)."""
    if experiment.kind == "interleaving":
        credited = Preferences.of_credits(*engine.attribution.trials.credits(name))
        return decide_interleaved(name, experiment, credited, now)
    counted = moments(engine, name)
    if not _fits(experiment, counted):
        return Decided("wait", "nothing is counted yet", experiment)
    return decide(name, experiment, counted, now)
