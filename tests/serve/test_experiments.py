"""Experiments as they are told: what an engine has counted comes out of the workers' figures as it went in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream_rec.engine.arms import readings
from stream_rec.engine.engine import Engine
from stream_rec.kernels.trial_state import OUTCOMES
from stream_rec.sdk.experiments import Counted
from stream_rec.serve.experiments import counted
from stream_rec.store.last_values import LastValues
from stream_rec.telemetry.points import field
from stream_rec.trials.readings import read
from tests.engine.deciding import decide, decision, scenario
from tests.engine.test_trial_outcomes import ENGINE, MEASURE

ARMS = ("control", "blue")


def engine(**body: Any) -> Engine:
    """With an experiment `x`, in which nobody was yet."""
    said = {"arms": [{"name": arm} for arm in ARMS], "state": "running", "started": 1.0, **body}
    e = Engine(ENGINE, MEASURE)
    decide(e, decision("experiment", "x", said))
    e.attribution.trials.follow(e.decisions.experiments)
    return e


def fill(e: Engine, n_users: int) -> None:
    """So many users of each arm, with a slate or more each; `blue` has more clicks."""
    found = e.attribution.trials.totals("x")
    assert found is not None
    rng = np.random.default_rng(3)
    for arm in range(len(ARMS)):
        for _ in range(n_users):
            of_bucket = found[1][arm, rng.integers(found[1].shape[1])]
            of_bucket[OUTCOMES.index("user")] += 1
            of_bucket[OUTCOMES.index("shown")] += 1 + rng.poisson(4)
            of_bucket[OUTCOMES.index("click")] += rng.poisson(1 + arm)


def worker(e: Engine, ts: float = 5.0) -> LastValues:
    """What the worker with this engine reports."""
    return LastValues(
        ts, {field(metric, dict(labels)): value for (metric, labels), value in readings.figures(e).items()}
    )


def told(e: Engine, **workers: LastValues) -> Counted | None:
    return counted("x", e.decisions.experiments["x"], workers or {"w": worker(e)})


def in_the_way(e: Engine) -> list[tuple[str, str]]:
    found = told(e)
    return [(each.obstacle, each.metric) for each in found.obstacles] if found else []


def test_the_statistics_are_those_of_the_engine() -> None:
    e = engine(secondary=["revenue", "clicks"])
    fill(e, 300)
    found, own = told(e), read(e.decisions.experiments["x"], readings.moments(e, "x"), e.event_time)
    assert found is not None
    assert found.outcomes["blue"]["user"] == 300.0
    assert [(each.metric, each.variant) for each in found.lifts] == [
        ("ctr", "blue"),
        ("revenue", "blue"),
        ("clicks", "blue"),
    ]
    for row, lift in zip(own.rows, found.lifts, strict=True):
        if row.metric != "revenue":
            assert (lift.control, lift.value) == (row.control.value, row.treatment.value)
            assert (lift.lift, lift.low, lift.high) == (row.lift, *row.interval)
            assert (lift.p, lift.corrected) == (row.p_value, row.corrected)
    nothing_bought = found.lifts[1]
    assert (nothing_bought.value, nothing_bought.lift, nothing_bought.low) == (0.0, None, None)
    assert (found.sample_ratio, found.needed_users) == (own.sample_ratio, own.needed_users)


def test_before_there_are_users_enough_nothing_is_concluded() -> None:
    e = engine()
    empty = told(e)
    assert empty is not None
    assert (empty.outcomes["control"]["user"], empty.lifts, empty.sample_ratio) == (0.0, [], None)
    fill(e, 99)
    few = told(e)
    assert few is not None
    assert (few.lifts, few.sample_ratio is not None) == ([], True)


def test_what_stands_in_the_way_of_a_live_experiment_is_told_with_what_to_do() -> None:
    e = engine(secondary=["revenue", "clicks"])
    assert in_the_way(e) == [("few_users", "ctr")]
    fill(e, 300)
    assert in_the_way(e) == [("no_outcome", "revenue")]
    found = told(e)
    assert found is not None
    assert found.obstacles[0].says.startswith("revenue is 0 for every user of every arm")
    late = worker(e)
    late.values["experiment_obstacle{experiment=x,obstacle=of_a_later_release,of=ctr}"] = 1.0
    again = told(e, w=late)
    assert again is not None
    assert again.obstacles == found.obstacles
    over = engine(state="rolled_back")
    assert in_the_way(over) == []


def test_an_experiment_of_a_scenario_that_is_not_there_says_so() -> None:
    e = engine(scenarios=["hoem"])
    assert in_the_way(e) == [("no_scenario", "ctr")]
    decide(e, scenario("hoem"))
    assert in_the_way(e) == [("few_users", "ctr")]


def test_an_arm_without_users_has_a_sample_ratio() -> None:
    e = engine()
    fill(e, 99)
    totals = e.attribution.trials.totals("x")
    assert totals is not None
    totals[1][1] = 0.0
    found = told(e)
    assert found is not None
    assert found.sample_ratio is not None
    assert found.sample_ratio < 0.001


def test_interleaved_arms_have_a_preference() -> None:
    e = engine(kind="interleaving")
    assert in_the_way(e) == [("few_users", "preference")]
    users = e.attribution.trials.state.users[:120]
    users["owner"], users["clicks_a"], users["clicks_b"] = 1, 1.0, 0.0
    users["clicks_b"][:90] = 2.0
    found = told(e)
    assert found is not None
    (lift,) = found.lifts
    assert (lift.metric, lift.variant, lift.lift) == ("preference", "blue", 0.5)
    assert lift.low is not None
    assert lift.low < 0.5
    assert lift.value is None


def test_who_has_reported_last_is_believed_and_figures_of_others_are_passed_over() -> None:
    e = engine()
    early = worker(e, 5.0)
    fill(e, 120)
    late = worker(e, 6.0)
    late.values["experiment_lift{experiment=x,figure=of_a_later_release,of=ctr,variant=blue}"] = 1.0
    late.values["experiment_reading{experiment=x,figure=of_a_later_release}"] = 1.0
    for workers in ({"a": early, "b": late}, {"a": late, "b": early}):
        found = told(e, **workers, c=LastValues(9.0, {"lag": 1.0}))
        assert found is not None
        assert (found.ts, found.outcomes["control"]["user"]) == (6.0, 120.0)


@pytest.mark.parametrize("values", [{}, {"experiment{experiment=y,outcome=user,variant=control}": 3.0}])
def test_nothing_is_told_of_what_nobody_counts(values: dict[str, float]) -> None:
    assert told(engine(), w=LastValues(5.0, values)) is None
