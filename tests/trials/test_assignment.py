"""Who is in which arm: stable, even, exclusive within a layer, independent between layers."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stream_rec.schemas.decisions import hash_of
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.trials.assignment import (
    OUTSIDE,
    arms,
    assigned,
    free_slot,
    is_inside,
    neighbours,
    points,
    takes_part,
)

USERS = np.array([hash_of(f"user-{n}") for n in range(20_000)], np.uint64)
GOLDEN_ARMS = [0, 0, 1, 0, 1, 0]
GOLDEN_POINTS = [0.417405, 0.842498, 0.75892, 0.214421, 0.860464, 0.647141]
TWO = (Arm("control"), Arm("blue", sources=("popularity",)))


def experiment(**fields: Any) -> Experiment:
    return Experiment(**({"arms": TWO, "state": "running"} | fields))


def test_an_assignment_stays_the_same_in_every_release() -> None:
    """Golden values: a release that deals out arms anew would mix the arms of every running experiment."""
    users = np.array([hash_of(each) for each in ("ann", "bob", "cem", "dora", "emil", "fay")], np.uint64)
    assert arms("checkout", experiment(), users).tolist() == GOLDEN_ARMS
    assert points("layer/ranking", users).round(6).tolist() == GOLDEN_POINTS


def test_arms_have_users_by_their_weights() -> None:
    three = experiment(arms=(*TWO, Arm("green", weight=2.0, learning_rate=2.0)))
    counts = np.bincount(arms("e", three, USERS), minlength=3)
    assert stats.chisquare(counts, np.array([0.25, 0.25, 0.5]) * len(USERS)).pvalue > 1e-3


def test_the_arms_of_one_experiment_say_nothing_of_another() -> None:
    table = np.histogram2d(arms("one", experiment(), USERS), arms("other", experiment(), USERS), bins=2)[0]
    assert stats.chi2_contingency(table).pvalue > 1e-3
    inside = is_inside("one", experiment(traffic=0.5), USERS)
    assert (
        stats.chi2_contingency(np.histogram2d(inside, arms("one", experiment(), USERS), bins=2)[0]).pvalue
        > 1e-3
    )


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=5), st.text(max_size=5), st.floats(0, 0.5))
@settings(max_examples=25, deadline=None)
def test_who_was_in_stays_in_the_same_arm_when_the_traffic_grows(
    shares: list[float], salt: str, slot: float
) -> None:
    before = np.full(len(USERS), OUTSIDE)
    for share in sorted(shares):
        grown = experiment(traffic=share, salt=salt, slot=slot)
        now = assigned({"e": grown}, USERS)["e"]
        assert np.array_equal(now[before != OUTSIDE], before[before != OUTSIDE])
        before = now


def test_a_ramp_keeps_its_users_up_to_the_full_traffic() -> None:
    ramping = experiment(state="ramping", traffic=0.8)
    before = np.full(len(USERS), OUTSIDE)
    for at in [*(msgspec.structs.replace(ramping, step=step) for step in range(5)), experiment(traffic=0.8)]:
        now = assigned({"e": at}, USERS)["e"]
        assert abs((now != OUTSIDE).mean() - at.share) < 0.015
        assert np.array_equal(now[before != OUTSIDE], before[before != OUTSIDE])
        before = now


def test_experiments_of_a_layer_have_no_user_in_common() -> None:
    one = experiment(layer="ranking", traffic=0.5, started=1.0)
    other = experiment(layer="ranking", traffic=0.5, slot=0.5, started=2.0)
    free = experiment(traffic=0.5, started=3.0)
    found = assigned({"one": one, "other": other, "free": free}, USERS)
    ins = {name: each != OUTSIDE for name, each in found.items()}
    assert not (ins["one"] & ins["other"]).any()
    assert (ins["one"] | ins["other"]).all()
    assert abs((ins["one"] & ins["free"]).mean() - 0.25) < 0.015


def test_where_shares_overlap_by_mistake_the_one_that_began_first_has_the_user() -> None:
    one = experiment(layer="ranking", traffic=0.6, started=2.0)
    other = experiment(layer="ranking", traffic=0.6, slot=0.4, started=1.0)
    found = assigned({"one": one, "other": other}, USERS)
    assert not ((found["one"] != OUTSIDE) & (found["other"] != OUTSIDE)).any()
    assert abs((found["other"] != OUTSIDE).mean() - 0.6) < 0.015


def test_an_experiment_that_does_not_run_has_nobody() -> None:
    assert not assigned({"e": experiment(state="paused")}, USERS)
    assert not assigned({"e": experiment(state="draft"), "f": experiment(state="shipped")}, USERS)


def test_a_layer_gives_room_beside_those_that_are_live() -> None:
    others = {
        "a": experiment(layer="ranking", traffic=0.3),
        "b": experiment(layer="ranking", traffic=0.2, slot=0.6, state="paused"),
        "c": experiment(layer="ranking", traffic=1.0, state="rolled_back"),
        "d": experiment(layer="other"),
    }
    wanted = experiment(layer="ranking", traffic=0.3)
    assert free_slot("new", wanted, others) == pytest.approx(0.3)
    assert free_slot("new", experiment(layer="ranking", traffic=0.4), others) is None
    assert free_slot("a", wanted, others) == 0
    assert neighbours("new", experiment(layer="ranking", traffic=0.3, slot=0.2), others) == ["a"]
    assert neighbours("new", experiment(layer="ranking", traffic=0.3, slot=0.3), others) == []


def test_an_audience_is_asked_of_the_context() -> None:
    wanted = experiment(audience={"user": ("new",), "country": ("de", "at"), "app": ("true",)})
    assert takes_part(wanted, {"user": "new", "country": "at", "app": True})
    assert not takes_part(wanted, {"user": "returning", "country": "at", "app": True})
    assert not takes_part(wanted, {"user": "new"})
    assert takes_part(experiment(), {})
