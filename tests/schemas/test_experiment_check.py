"""Experiments: what is refused, where, and what is suggested."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream_rec.schemas.experiment import Arm, Guardrail
from stream_rec.schemas.experiment_check import BadExperiment, draft_of, experiment_of

TWO = [{"name": "control"}, {"name": "blue", "scenario": {"logic": "trending"}}]
WHOLE: dict[str, Any] = {
    "arms": TWO,
    "scenarios": ["home"],
    "traffic": 0.4,
    "slot": 0.5,
    "layer": "ranking",
    "audience": {"user": ["new"], "country": ["de", "at"]},
    "primary": "ctr",
    "secondary": ["revenue", "dwell"],
    "guardrails": [{"metric": "bounce", "tolerated": 0.02}],
    "ramp": [0.05, 0.25],
}


def faults_of(**body: object) -> str:
    with pytest.raises(BadExperiment) as bad:
        experiment_of({"arms": TWO} | body)
    return str(bad.value)


def test_all_fields_are_read_and_written_alike() -> None:
    experiment = experiment_of(WHOLE)
    assert experiment.arms[1] == Arm("blue", scenario={"logic": "trending"})
    assert experiment.guardrails == (Guardrail("bounce", 0.02),)
    assert experiment.min_runtime_days == 7
    assert experiment_of(msgspec.json.decode(msgspec.json.encode(experiment))) == experiment


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"traffik": 1}, "traffik: no field is called 'traffik' (did you mean 'traffic'?)"),
        ({"primary": "ctrr"}, "primary: no metric is called 'ctrr' (did you mean 'ctr'?)"),
        ({"secondary": ["ctr"]}, "secondary[0]: 'ctr' is there already"),
        ({"state": "runing"}, "state: Invalid enum value 'runing'"),
        ({"traffic": 0.6, "slot": 0.5}, "slot: slot and traffic are together above 1"),
        ({"traffic": 0}, "traffic: it is 0.0 (from 0.0001 to 1)"),
        ({"guardrails": [{"metric": "bounce", "tolerate": 0.1}]}, "did you mean 'tolerated'?"),
        ({"guardrails": [{"metric": "bouncy"}]}, "guardrails[0].metric: no metric is called 'bouncy'"),
        ({"ramp": [0.1, 0.1]}, "ramp[1]: it is not more than the step before"),
        ({"audience": {"user": ["newcomer"]}}, "audience.user[0]: no user is called 'newcomer'"),
        ({"audience": {"country": []}}, "audience.country: 0 values"),
        ({"max_runtime_days": 3}, "max_runtime_days: it is less than min_runtime_days"),
        ({"state": "shipped", "winner": "bleu"}, "winner: no arm is called 'bleu' (did you mean 'blue'?)"),
        ({"state": "ramping", "step": 5}, "step: it is 5 (from 0 to 4)"),
        ({"arms": TWO[:1]}, "arms: there is 1"),
        ({"arms": [*TWO, {"name": "blue"}]}, "arms[2].name: 'blue' is another arm's name"),
        ({"arms": [TWO[1], {"name": "a"}]}, "arms[0]: the control changes something"),
        ({"arms": [TWO[0], {"name": "_x"}]}, "arms[1].name: '_x' cannot name an arm"),
        ({"arms": [TWO[0], {"name": "b", "wait": 2}]}, "arms[1].wait: no field is called 'wait'"),
        ({"arms": [*TWO, {"name": "c"}], "kind": "interleaving"}, "arms: 3 arms in one slate"),
    ],
)
def test_a_mistake_is_named_with_its_place(body: dict[str, object], said: str) -> None:
    assert said in faults_of(**body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"kind": "interleaving", "primary": "revenue"}, "primary: users' clicks decide, not revenue"),
        ({"kind": "interleaving", "secondary": ["revenue"]}, "secondary: no arm has users of its own"),
        (
            {"kind": "interleaving", "guardrails": [{"metric": "bounce"}]},
            "guardrails: no arm has users of its own",
        ),
        ({"kind": "shadow", "guardrails": [{"metric": "bounce"}]}, "guardrails: no arm has users of its own"),
        ({"kind": "shadow"}, "arms[1]: nothing of it is judged"),
    ],
)
def test_what_would_be_passed_over_is_refused_when_it_is_written(body: dict[str, object], said: str) -> None:
    with pytest.raises(BadExperiment) as bad:
        draft_of({"arms": TWO} | body)
    assert said in str(bad.value)
    experiment_of({"arms": TWO} | body)
    draft_of({"arms": [TWO[0], {"name": "b", "sources": ["popularity"]}], "kind": body["kind"]})


def test_what_an_arm_changes_is_checked_as_a_scenario() -> None:
    arm = {"name": "b", "scenario": {"fitler": "true"}}
    assert "arms[1].scenario.fitler: no field is called 'fitler' (did you mean 'filter'?)" in faults_of(
        arms=[TWO[0], arm]
    )


def test_people_do_not_write_what_the_commands_write() -> None:
    with pytest.raises(BadExperiment, match=r"state: it is not for people to write.*start"):
        draft_of({"arms": TWO, "state": "running"})
    assert draft_of({"arms": TWO}).state == "draft"


def test_the_share_of_users_is_that_of_the_state_and_the_step() -> None:
    shares = [
        experiment_of(WHOLE | body).share
        for body in (
            {},
            {"state": "ramping"},
            {"state": "ramping", "step": 1},
            {"state": "running"},
            {"state": "paused"},
        )
    ]
    assert shares == [0, 0.05, 0.25, 0.4, 0]
