"""Whose arms have rankers, for how long, and for whom there is none left."""

from __future__ import annotations

import math

import pytest

from stream_rec.schemas.experiment import Arm, Experiment, State
from stream_rec.trials.rankers import MAX_RANKERS, in_the_way, own_rankers

ARMS = (Arm("control"), Arm("eager", learning_rate=2.0), Arm("few", sources=("transitions",)))


def of(state: State = "running", at: float = 10.0, *scenarios: str) -> Experiment:
    """Begun at `at`, and in this state since 100 seconds later."""
    winner = "eager" if state == "shipped" else ""
    return Experiment(ARMS, state=state, started=at, since=at + 100, winner=winner, scenarios=scenarios)


def lives(**experiments: Experiment) -> dict[str, float]:
    return {f"{each.experiment}/{each.arm.name}": each.ended for each in own_rankers(experiments)}


def test_a_live_experiment_needs_all_of_them_and_one_that_is_over_none() -> None:
    over = of("rolled_back", 5.0)
    assert lives(a=of(), b=over, c=Experiment(ARMS)) == {
        "b/eager": 105.0,
        "b/few": 105.0,
        "a/eager": math.inf,
        "a/few": math.inf,
    }
    assert lives(a=of("paused"))["a/few"] == math.inf


def test_a_shipped_ranker_stays_until_others_order_the_slates_of_all_its_scenarios() -> None:
    assert lives(a=of("shipped")) == {"a/eager": math.inf, "a/few": 110.0}
    home = of("shipped", 1.0, "home", "search")
    assert lives(a=home, b=of("shipped", 2.0, "home"))["a/eager"] == math.inf
    both = {"a": home, "b": of("shipped", 2.0, "home"), "c": of("shipped", 3.0, "search")}
    assert lives(**both)["a/eager"] == 103.0
    assert lives(a=home, b=of("shipped", 2.0))["a/eager"] == 102.0
    assert lives(a=of("shipped", 1.0), b=of("shipped", 2.0, "home"))["a/eager"] == math.inf
    unranked = Experiment(ARMS, state="shipped", started=2.0, since=102.0, winner="control")
    assert lives(a=home, b=unranked)["a/eager"] == math.inf


@pytest.mark.parametrize(("n_live", "beside"), [(3, []), (4, ["x0", "x1", "x2", "x3"])])
def test_the_ninth_has_no_room(n_live: int, beside: list[str]) -> None:
    live = {f"x{i}": of(at=float(i + 1)) for i in range(n_live)}
    assert MAX_RANKERS == 8
    assert in_the_way("new", of("draft"), live) == beside
    assert in_the_way("new", Experiment((Arm("a"), Arm("b"))), live) == []
    assert in_the_way("x0", live["x0"], live) == []
    assert in_the_way("new", of("draft"), {name: of("rolled_back") for name in live}) == []
