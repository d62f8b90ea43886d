"""What the page makes of an experiment's figures."""

from __future__ import annotations

import pytest

from stream_rec.page import trials
from stream_rec.schemas.experiment import Arm, Experiment, Guardrail
from stream_rec.sdk.experiments import Counted, Lift

ARMS = (
    Arm("control"),
    Arm("blue", scenario={"k": 7}),
    Arm("red", sources=("popularity",), learning_rate=2.0),
)


def test_less_is_better_where_the_metric_says_so() -> None:
    up = {"lift": 0.2, "low": 0.1, "high": 0.3}
    assert trials.verdict(Lift("ctr", "blue", **up)) == "better"
    assert trials.verdict(Lift("bounce", "blue", **up)) == "worse"
    assert trials.verdict(Lift("preference", "blue", **up)) == "better"
    assert trials.verdict(Lift("ctr", "blue", lift=0.2, low=-0.1, high=0.3)) == "open"
    assert trials.verdict(Lift("ctr", "blue")) == "open"


@pytest.mark.parametrize(
    ("low", "high", "stands"), [(-0.5, 0.01, "held"), (0.03, 0.5, "broken"), (-0.1, 0.1, "open")]
)
def test_a_guardrail_is_held_or_broken_only_if_that_is_certain(low: float, high: float, stands: str) -> None:
    experiment = Experiment(ARMS[:2], guardrails=(Guardrail("bounce", 0.02),))
    counted = Counted(1.0, {}, (Lift("bounce", "blue", lift=(low + high) / 2, low=low, high=high),))
    (found,) = trials.guardrails(experiment, counted)
    assert found.stands == stands
    assert [each.stands for each in trials.guardrails(experiment, None)] == ["open"]


def test_every_arm_has_its_place_before_anything_is_known() -> None:
    experiment = Experiment(ARMS, secondary=("revenue",))
    known = Counted(1.0, {"control": {"user": 3.0}, "red": {"user": 2.0}}, (Lift("ctr", "red", lift=0.1),))
    assert trials.primary(experiment, known) == [Lift("ctr", "blue"), Lift("ctr", "red", lift=0.1)]
    assert trials.secondary(experiment, None) == [Lift("revenue", "blue"), Lift("revenue", "red")]
    assert (trials.users(known), trials.users(None)) == (5.0, 0.0)
    assert trials.primary(Experiment(ARMS, kind="bandit"), known) == []
    assert [each.metric for each in trials.primary(Experiment(ARMS[:2], kind="interleaving"), None)] == [
        "preference"
    ]


def test_an_axis_reaches_what_is_drawn_but_no_further_than_twice_as_much() -> None:
    assert trials.scale([Lift("ctr", "blue", low=-0.1, high=0.3), Lift("ctr", "red")]) == 0.3
    assert trials.scale([Lift("ctr", "blue", low=-9.0, high=0.3)]) == 1.0
    assert trials.scale([]) == 0.02


def test_a_split_is_broken_when_its_p_value_says_so() -> None:
    assert trials.is_split_broken(Counted(1.0, {}, sample_ratio=0.0001))
    assert not trials.is_split_broken(Counted(1.0, {}, sample_ratio=0.01))
    assert not trials.is_split_broken(Counted(1.0, {}))


def test_arms_say_what_they_change() -> None:
    assert [trials.changes(arm) for arm in ARMS] == [
        "nothing",
        "k = 7",
        "sources popularity; learning_rate \N{MULTIPLICATION SIGN} 2",
    ]
