"""Experiments in which nothing varies: they are decided where that can be, and else it is said what is in the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream_rec.kernels.trial_state import OUTCOMES
from stream_rec.schemas.experiment import DAY_SECONDS, METRICS, Experiment, Guardrail
from stream_rec.trials.decide import Decided, decide, decide_interleaved
from stream_rec.trials.interleaving import Preferences, verdict
from stream_rec.trials.moments import Moments
from stream_rec.trials.obstacles import KINDS, Obstacle, obstacles, obstacles_of_interleaved, says
from stream_rec.trials.outcomes import Outcomes
from stream_rec.trials.readings import estimates
from tests.trials.test_decide import ARMS, LATE, START, experiment

GUARDED = experiment(guardrails=(Guardrail("bounce", 0.02),))
SOON = START + 3600


def alike(n: int, control: dict[str, float], blue: dict[str, float], n_blue: int = 0) -> dict[str, Moments]:
    """So many users of each arm, all of an arm with the same outcomes; one slate each if it is not said otherwise."""
    made = Outcomes([arm.name for arm in ARMS])
    chance = np.random.default_rng(1)
    for arm, each in enumerate((control, blue)):
        count = n_blue if arm and n_blue else n
        users = chance.integers(0, 1 << 63, count).astype(np.uint64)
        for outcome, amount in ({"user": 1.0, "shown": 1.0} | each).items():
            at = np.full(count, OUTCOMES.index(outcome))
            made.add(np.full(count, arm), users, at, np.full(count, amount))
    return made.by_arm()


def decided(of: Experiment, n: int, control: dict[str, float], blue: dict[str, float], now: float) -> Decided:
    return decide("e", of, alike(n, control, blue), now)


@pytest.mark.parametrize("price", [0.1, 19.99, 1e-7, 3e9])
@pytest.mark.parametrize("n", [1, 150, 30_000])
def test_users_who_are_all_alike_have_no_variance_but_rounding(n: int, price: float) -> None:
    of = alike(n, {"revenue": price, "shown": 3.0, "click": 1.0}, {})["control"]
    for numerator, denominator in (("net", "user"), ("click", "shown"), ("revenue", "shown")):
        assert of.variance_of(of.slopes(numerator, denominator)) == 0.0


def test_one_user_of_a_million_who_is_otherwise_is_seen() -> None:
    chance = np.random.default_rng(2)
    made, n = Outcomes(["control"]), 1_000_000
    users = chance.integers(0, 1 << 63, n).astype(np.uint64)
    clicks = np.ones(n)
    clicks[0] = 2.0
    for outcome, amounts in (("user", np.ones(n)), ("click", clicks)):
        made.add(np.zeros(n, np.int64), users, np.full(n, OUTCOMES.index(outcome)), amounts)
    of = made.by_arm()["control"]
    assert of.variance_of(of.slopes("click", "user")) == pytest.approx(1 / n**2, rel=0.1)


def test_where_every_user_does_the_same_no_arm_is_better() -> None:
    """Nothing hangs: all of 600 users are as one, so the arms do not differ by as much as is worth having."""
    once = {"click": 1.0}
    assert decided(experiment(), 300, once, once, SOON).rule == "wait"
    assert decided(experiment(), 300, once, once, LATE).rule == "no_effect"
    assert decided(experiment(mde=0.001), 300, once, once, LATE).why == says(Obstacle("all_alike", "ctr"))


@pytest.mark.parametrize(("control", "blue"), [(0.0, 1.0), (1.0, 2.0)])
def test_arms_whose_users_are_alike_are_decided_if_they_differ(control: float, blue: float) -> None:
    better = alike(150, {"click": control}, {"click": blue})
    assert decide("e", experiment(), better, SOON).rule == "wait"
    assert decide("e", experiment(), better, LATE).after.winner == "blue"
    assert decided(experiment(), 150, {"click": blue}, {"click": control}, SOON).rule == "worse"


def test_a_metric_that_nobody_has_is_said_to_be_in_the_way_and_ends_it_when_millions_would_be_needed() -> (
    None
):
    few, many = alike(2000, {}, {}), alike(3000, {}, {})
    assert obstacles(experiment(), few) == [Obstacle("no_outcome", "ctr")]
    for outcomes, now in ((few, SOON), (few, LATE), (many, SOON)):
        waits = decide("e", experiment(), outcomes, now)
        assert (waits.rule, waits.why) == ("wait", says(Obstacle("no_outcome", "ctr")))
    ended = decide("e", experiment(), many, LATE)
    assert (ended.rule, ended.after.state) == ("no_outcome", "rolled_back")
    assert ended.after.reason == "no_outcome: none of 6,000 users has ctr that could be compared"
    short = experiment(max_runtime_days=8.0)
    assert decide("e", short, few, LATE).rule == "over"


def test_guardrails_and_the_sample_ratio_end_it_although_nobody_has_what_decides() -> None:
    leaving = alike(500, {"session": 2.0, "bounce": 1.0}, {"session": 2.0, "bounce": 2.0})
    assert decide("e", GUARDED, leaving, SOON).rule == "guardrail"
    assert decide("e", GUARDED, alike(4000, {}, {}, n_blue=4600), SOON).rule == "sample_ratio"
    ramped = experiment(state="ramping")
    assert decide("e", ramped, alike(500, {}, {}), START + DAY_SECONDS).rule == "step"


def test_a_guardrail_that_nobody_touches_holds_nothing_up() -> None:
    of = experiment(guardrails=(Guardrail("refunds"),))
    better = alike(150, {"click": 1.0}, {"click": 2.0})
    assert Obstacle("no_outcome", "refunds") in obstacles(of, better)
    assert decide("e", of, better, LATE).rule == "better"


def test_what_is_a_share_of_nothing_is_not_known_and_no_arm_wins_by_it() -> None:
    of = experiment(primary="bounce")
    without = alike(3000, {"session": 2.0, "bounce": 1.0}, {})
    assert obstacles(of, without) == [Obstacle("not_counted", "bounce")]
    assert np.isnan(estimates(experiment(), "bounce", without)["blue"].value)
    assert decide("e", of, without, SOON).rule == "wait"
    assert decide("e", of, without, LATE).rule == "no_outcome"


def test_one_arm_alone_without_variance_is_decided_by_the_other() -> None:
    chance = np.random.default_rng(3)
    made = Outcomes([arm.name for arm in ARMS])
    for arm, rate in enumerate((0.0, 0.4)):
        users = chance.integers(0, 1 << 63, 1000).astype(np.uint64)
        for outcome, amounts in (
            ("user", np.ones(1000)),
            ("click", chance.poisson(rate, 1000).astype(float)),
        ):
            made.add(np.full(1000, arm), users, np.full(1000, OUTCOMES.index(outcome)), amounts)
    of = experiment(primary="clicks")
    assert obstacles(of, made.by_arm()) == [Obstacle("none_of_control", "clicks")]
    assert decide("e", of, made.by_arm(), LATE).rule == "better"


@pytest.mark.parametrize("n", [0, 1, 99])
def test_few_users_are_said_to_be_few(n: int) -> None:
    outcomes = alike(n, {"click": 1.0}, {"click": 2.0})
    assert obstacles(GUARDED, outcomes) == [Obstacle("few_users", "ctr")]
    assert decide("e", GUARDED, outcomes, LATE).why == says(Obstacle("few_users", "ctr"))


def test_a_bandit_keeps_its_shares_while_nobody_earns_anything() -> None:
    bandit = experiment(kind="bandit", step_hours=1.0)
    assert decided(bandit, 500, {}, {}, START + 7200).rule == "wait"
    once = {"click": 1.0}
    shares = decided(bandit, 500, once, once, START + 7200).after.shares
    assert shares == pytest.approx((0.5, 0.5), abs=0.05)


@pytest.mark.parametrize(
    ("found", "rule"), [((0, 150, 0), "better"), ((150, 0, 0), "worse"), ((0, 0, 150), "wait")]
)
def test_users_who_are_all_of_one_mind_decide(found: tuple[int, int, int], rule: Any) -> None:
    mixed, preferred = experiment(kind="interleaving"), Preferences(*found)
    assert decide_interleaved("e", mixed, preferred, LATE).rule == rule
    assert obstacles_of_interleaved(preferred) == [Obstacle("all_alike", "preference")]
    low, high = verdict(preferred).interval
    assert low < verdict(preferred).preference < high
    assert obstacles_of_interleaved(Preferences(5, 90, 4)) == [Obstacle("few_users", "preference")]


def test_whatever_is_in_the_way_is_said_with_what_to_do() -> None:
    for kind in KINDS:
        for metric in METRICS:
            assert "{" not in says(Obstacle(kind, metric))
    assert says(Obstacle("few_users", "preference")) != says(Obstacle("few_users", "ctr"))
