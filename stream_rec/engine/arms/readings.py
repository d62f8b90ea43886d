"""What an engine has counted of its experiments, as the statistics of `trials` take it, and what rules say of it."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from stream_rec.engine.arms.ranker import FIGURES
from stream_rec.engine.engine import Engine
from stream_rec.kernels.trial_state import OUTCOMES
from stream_rec.schemas.experiment import Experiment
from stream_rec.trials.decide import Decided, decide, decide_interleaved
from stream_rec.trials.interleaving import Preferences
from stream_rec.trials.moments import Moments
from stream_rec.trials.outcomes import Outcomes
from stream_rec.trials.readings import read, users_of
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


Figure = tuple[str, tuple[tuple[str, str], ...]]
"""Metric (docs/metrics.md), and names and values of its labels."""


def figures(engine: Engine) -> dict[Figure, float]:
    """What was counted: of experiments that are live, or whose table is still kept."""
    found: dict[Figure, float] = {}
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


def _lifts(engine: Engine, name: str, experiment: Experiment) -> dict[Figure, float]:
    """What the statistics say, once they say anything."""
    counted = moments(engine, name)
    if experiment.kind != "ab" or not _fits(experiment, counted):
        return {}
    if min(users_of(counted).values()) < MIN_USERS:
        return {}
    found: dict[Figure, float] = {}
    for row in read(experiment, counted, engine.event_time).rows:
        figures = {
            "lift": row.lift,
            "low": row.interval.low,
            "high": row.interval.high,
            "p": row.p_value,
            "corrected": row.corrected,
        }
        for figure, value in figures.items():
            if isfinite(value):
                labels = {"experiment": name, "variant": row.arm, "of": row.metric, "figure": figure}
                found[_figure("experiment_lift", **labels)] = value
    return found


def _fits(experiment: Experiment, counted: Mapping[str, Moments]) -> bool:
    """Was it counted by the arms that it has?"""
    return tuple(counted) == tuple(arm.name for arm in experiment.arms)


def _figure(metric: str, /, **labels: str) -> Figure:
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
