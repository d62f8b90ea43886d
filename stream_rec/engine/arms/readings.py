"""What an engine has counted of its experiments, as the statistics of `trials` take it, and what rules say of it."""

from __future__ import annotations

from collections.abc import Mapping

from stream_rec.engine.engine import Engine
from stream_rec.schemas.experiment import Experiment
from stream_rec.trials.decide import Decided, decide, decide_interleaved
from stream_rec.trials.interleaving import Preferences
from stream_rec.trials.moments import Moments
from stream_rec.trials.outcomes import Outcomes


def moments(engine: Engine, name: str) -> Mapping[str, Moments] | None:
    """By arm, in their order; None = nothing of it was counted."""
    found = engine.attribution.trials.totals(name)
    if found is None:
        return None
    arms, table = found
    outcomes = Outcomes(arms, table.shape[1])
    outcomes.load(table)
    return outcomes.by_arm()


def decided(engine: Engine, name: str, experiment: Experiment, now: float) -> Decided:
    """What the rules make of an experiment now (seconds)."""
    if experiment.kind == "interleaving":
        credited = Preferences.of_credits(*engine.attribution.trials.credits(name))
        return decide_interleaved(name, experiment, credited, now)
    counted = moments(engine, name)
    if counted is None or tuple(counted) != tuple(arm.name for arm in experiment.arms):
        return Decided("wait", "nothing is counted yet", experiment)
    return decide(name, experiment, counted, now)
