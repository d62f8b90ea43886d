"""Scenarios: what is refused, where, and what is suggested."""

from __future__ import annotations

import msgspec
import pytest

from stream_rec.schemas.scenario import Boost, Diversity, Scenario, of_settings
from stream_rec.schemas.scenario_check import BadScenario, faults, scenario_of
from stream_rec.settings import ScenarioSettings

WHOLE = {
    "logic": "personal",
    "k": 12,
    "filter": "price < 100.0",
    "boosts": [{"when": "'new' in tags", "factor": 1.5}],
    "caps": [{"attribute": "owner", "n": 2, "window": 6, "kind": "soft"}],
    "pins": [{"item": "lamp", "slot": 1}],
    "hides": [{"items": ["desk"]}, {"items": ["chair"], "slots": [1, 2]}],
    "promotions": [{"items": ["bed"], "share": 0.2, "impressions": 1000, "from": 10.0, "until": 20.0}],
    "diversity": {"lambda": 0.5, "over": "vectors:text"},
    "rotation": {"factor": 0.8},
    "exploration": {"share": 0.1, "among": "new"},
    "rerank": {"model": "home.onnx", "sha256": "0" * 64, "budget_ms": 5.0},
    "leave_out_seen": ["purchase"],
    "fallbacks": ["vectors:text", "popular"],
}


def fault_of(**body: object) -> str:
    with pytest.raises(BadScenario) as bad:
        scenario_of(body)
    return str(bad.value)


def test_all_fields_are_read_and_written_alike() -> None:
    scenario = scenario_of(WHOLE)
    assert scenario.boosts == (Boost("'new' in tags", 1.5),)
    assert scenario.diversity == Diversity(0.5, "vectors:text")
    assert scenario_of(msgspec.json.decode(msgspec.json.encode(scenario))) == scenario
    assert not faults(scenario)


def test_nothing_given_is_a_plain_personal_slate() -> None:
    assert scenario_of({}) == Scenario()
    assert msgspec.json.encode(Scenario()) == b"{}"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"fitler": "true"}, "fitler: no field is called 'fitler' (did you mean 'filter'?)"),
        (
            {"boosts": [{"when": "true", "factr": 2}]},
            "boosts[0].factr: no field is called 'factr' (did you mean 'factor'?)",
        ),
        ({"logic": "popularity"}, "logic: no logic is called 'popularity' (did you mean 'popular'?)"),
        ({"k": 0}, "k: it is 0 (from 1 to 200)"),
        ({"k": "ten"}, "k: Expected 'int', got 'str'"),
        ({"pins": [{"item": "a", "slot": 30}]}, "pins[0].slot: it is 30 (from 1 to 20)"),
        (
            {"pins": [{"item": "a", "slot": 3}, {"item": "b", "slot": 3}]},
            "pins[1].slot: slot 3 is pinned already (one pin for a slot)",
        ),
        ({"boosts": [{"when": " ", "factor": 2}]}, "boosts[0].when: it is empty"),
        ({"order_by": "price"}, "order_by: it belongs to the logic 'leaderboard', which needs it"),
        ({"logic": "leaderboard"}, "order_by: it belongs to the logic 'leaderboard', which needs it"),
        ({"promotions": [{"share": 0.5}]}, "promotions[0]: a promotion is of `items`"),
        ({"from": 20.0, "until": 10.0}, "until: it ends before it begins"),
        ({"exploration": {"share": 0}}, "exploration.share: 0.0 is no share"),
        ({"diversity": {"over": "tag"}}, "(did you mean 'tags'?)"),
        ({"hides": [{"items": []}]}, "hides[0].items: an id is missing"),
        (
            {"rerank": {"model": "../m.onnx", "sha256": "0" * 64}},
            "rerank.model: '../m.onnx' is no name of a file",
        ),
        (
            {"rerank": {"model": "m.onnx", "sha256": "abc"}},
            "rerank.sha256: it is not 64 hexadecimal digits (sha256sum m.onnx)",
        ),
        ({"rerank": {"model": "m.onnx"}}, "rerank: Object missing required field 'sha256'"),
        (
            {"logic": "popular", "rerank": {"model": "m.onnx", "sha256": "0" * 64}},
            "rerank: the logic 'popular' is not the ranker's",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_a_fix(body: dict[str, object], said: str) -> None:
    assert said in fault_of(**body)


def test_every_mistake_of_the_values_is_named_at_once() -> None:
    with pytest.raises(BadScenario) as bad:
        scenario_of({"k": 500, "min_relevance": 2})
    assert [fault.path for fault in bad.value.faults] == [("k",), ("min_relevance",)]


def test_every_list_has_a_bound() -> None:
    assert "32 at most" in fault_of(boosts=[{"when": "true", "factor": 2}] * 33)
    assert "1000 at most" in fault_of(hides=[{"items": [str(i) for i in range(1001)]}])
    assert "2000 are allowed" in fault_of(filter="a" * 2001)


def test_settings_are_scenarios() -> None:
    assert of_settings(ScenarioSettings(k=7, repeats=False)) == Scenario(k=7, leave_out_seen="all")


def test_a_scenario_is_in_force_from_its_beginning_until_before_its_end() -> None:
    scenario = Scenario(valid_from=10.0, valid_until=20.0)
    assert [scenario.is_valid_at(ts) for ts in (9.9, 10.0, 19.9, 20.0)] == [False, True, True, False]
    assert not Scenario(on=False).is_valid_at(0.0)
