"""Decisions by rule: what ends, ramps and ships an experiment; and what never happens."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.kernels.trial_state import OUTCOMES
from stream_rec.schemas.experiment import DAY_SECONDS, LIVE, Arm, Experiment, Guardrail
from stream_rec.schemas.experiment_check import faults
from stream_rec.trials.decide import decide, decide_interleaved
from stream_rec.trials.interleaving import Preferences
from stream_rec.trials.moments import Moments
from stream_rec.trials.outcomes import Outcomes
from stream_rec.trials.readings import read
from stream_rec.trials.states import moved

ARMS = (Arm("control"), Arm("blue", learning_rate=2.0))
START = 1_000_000.0
LATE = START + 8 * DAY_SECONDS


def experiment(**fields: Any) -> Experiment:
    return Experiment(**({"arms": ARMS, "state": "running", "started": START, "since": START} | fields))


def table(*arms: tuple[int, float], seed: int = 1, bounce: float = 0.3, **more: float) -> dict[str, Moments]:
    """Arms of so many users with so many clicks each on average, 10 slates and 2 sessions."""
    chance = np.random.default_rng(seed)
    names = [arm.name for arm in ARMS] + [f"arm{n}" for n in range(2, len(arms))]
    made = Outcomes(names[: len(arms)])
    for arm, (n, clicks) in enumerate(arms):
        users = chance.integers(0, 1 << 63, n).astype(np.uint64)
        worse = more.get("worse_bounce", 0.0) if arm else 0.0
        for outcome, amounts in {
            "user": np.ones(n),
            "shown": np.full(n, 10.0),
            "click": chance.poisson(clicks, n).astype(float),
            "session": np.full(n, 2.0),
            "bounce": chance.binomial(2, bounce + worse, n).astype(float),
        }.items():
            made.add(np.full(n, arm), users, np.full(n, OUTCOMES.index(outcome)), amounts)
    return made.by_arm()


def test_an_arm_that_is_better_is_shipped_after_the_minimum_runtime_and_not_before() -> None:
    better = table((4000, 1.0), (4000, 1.3))
    assert decide("e", experiment(), better, START + DAY_SECONDS).rule == "wait"
    found = decide("e", experiment(), better, LATE)
    assert (found.rule, found.after.state, found.after.winner) == ("better", "shipped", "blue")
    assert found.after.reason.startswith("better: ctr of blue")


def test_the_best_of_several_is_shipped() -> None:
    three = experiment(arms=(*ARMS, Arm("arm2", learning_rate=3.0)))
    assert decide("e", three, table((4000, 1.0), (4000, 1.3), (4000, 1.6)), LATE).after.winner == "arm2"


def test_an_arm_that_is_worse_ends_it_at_once() -> None:
    found = decide("e", experiment(), table((4000, 1.3), (4000, 1.0)), START + 3600)
    assert (found.rule, found.after.state, found.after.share) == ("worse", "rolled_back", 0.0)


def test_one_worse_arm_of_two_does_not_end_it() -> None:
    three = experiment(arms=(*ARMS, Arm("arm2", learning_rate=3.0)))
    assert decide("e", three, table((4000, 1.3), (4000, 1.0), (4000, 1.3)), START + 3600).rule == "wait"


def test_a_guardrail_ends_it_although_the_primary_metric_is_better() -> None:
    guarded = experiment(guardrails=(Guardrail("bounce", 0.02),), state="ramping", step=2)
    worse = table((4000, 1.0), (4000, 1.3), worse_bounce=0.06)
    found = decide("e", guarded, worse, START + 3600)
    assert (found.rule, found.after.state) == ("guardrail", "rolled_back")
    assert found.why == "bounce of blue is worse by more than 2.0%"
    borne = experiment(guardrails=(Guardrail("bounce", 0.5),))
    assert decide("e", borne, worse, LATE).rule == "better"


def test_arms_without_the_users_they_were_given_end_it() -> None:
    found = decide("e", experiment(), table((4000, 1.0), (4600, 1.3)), LATE)
    assert (found.rule, found.after.state) == ("sample_ratio", "rolled_back")
    assert "control 4000, blue 4600" in found.why


def test_a_ramp_goes_on_while_nothing_is_worse() -> None:
    at, alike, now, shares = experiment(state="ramping"), table((4000, 1.0), (4000, 1.0)), START, []
    for _ in range(14):
        at = decide("e", at, alike, now).after
        shares.append(at.share)
        now += DAY_SECONDS / 2
    assert shares == [s for s in (0.01, 0.05, 0.1, 0.25, 0.5) for _ in (1, 2)] + [1.0] * 4


def test_an_effect_that_is_not_worth_having_ends_it() -> None:
    wanted = experiment(mde=0.2)
    assert decide("e", wanted, table((9000, 1.0), (9000, 1.0)), LATE).rule == "no_effect"


def test_the_maximum_runtime_ends_it() -> None:
    short = experiment(max_runtime_days=14.0)
    alike = table((2000, 1.0), (2000, 1.0))
    assert decide("e", short, alike, LATE).rule == "wait"
    assert decide("e", short, alike, START + 14 * DAY_SECONDS).rule == "over"
    assert decide("e", short, Outcomes(["control", "blue"]).by_arm(), START + 14 * DAY_SECONDS).rule == "over"
    shadow = msgspec.structs.replace(short, kind="shadow")
    assert decide("e", shadow, alike, LATE).rule == "wait"
    assert decide("e", shadow, alike, START + 14 * DAY_SECONDS).rule == "over"


def test_what_users_prefer_decides_where_both_arms_stand_in_one_slate() -> None:
    mixed = experiment(kind="interleaving")
    assert decide_interleaved("e", mixed, Preferences(300, 500, 50), LATE).after.winner == "blue"
    assert decide_interleaved("e", mixed, Preferences(300, 500, 50), START + 1).rule == "wait"
    assert decide_interleaved("e", mixed, Preferences(500, 300, 50), START + 1).rule == "worse"
    assert decide_interleaved("e", mixed, Preferences(40, 20, 3), START + 1).rule == "wait"


@given(
    st.sampled_from(["draft", "running", "ramping", "paused", "shipped", "rolled_back"]),
    st.lists(st.tuples(st.integers(0, 3000), st.floats(0, 3)), min_size=2, max_size=2),
    st.floats(0, 60 * DAY_SECONDS),
    st.floats(0, 0.2),
)
@settings(max_examples=60, deadline=None)
def test_whatever_it_meets_it_decides_soundly(
    state: Any, arms: list[tuple[int, float]], elapsed: float, tolerated: float
) -> None:
    at = experiment(
        state=state, winner="blue" if state == "shipped" else "", guardrails=(Guardrail("bounce", tolerated),)
    )
    outcomes = table(*arms)
    now = START + elapsed
    found = decide("e", at, outcomes, now)
    assert found == decide("e", at, outcomes, now)
    assert not faults(found.after)
    assert (found.rule == "wait") == (found.after == at)
    if state not in ("running", "ramping"):
        assert found.rule == "wait"
    if found.after.state == "shipped" and state != "shipped":
        assert elapsed >= 7 * DAY_SECONDS
        assert state == "running"
        assert min(n for n, _ in arms) >= 100
    assert found.after.share <= max(at.share, 1.0 if found.rule == "step" else at.share)
    if found.rule in ("guardrail", "worse", "sample_ratio", "no_effect", "over"):
        assert found.after.state not in LIVE


def test_readings_show_every_metric_of_every_arm_with_what_is_missing() -> None:
    shown = experiment(secondary=("clicks", "bounce"), guardrails=(Guardrail("bounce"),), mde=0.02)
    found = read(shown, table((4000, 1.0), (4000, 1.1)), START + DAY_SECONDS)
    assert [(row.metric, row.arm) for row in found.rows] == [(m, "blue") for m in ("ctr", "clicks", "bounce")]
    primary = found.rows[0]
    assert primary.interval.low < 0.1 < primary.interval.high
    assert primary.p_value <= primary.corrected
    assert primary.once.p_value < primary.p_value
    assert found.users == {"control": 4000, "blue": 4000}
    assert found.sample_ratio == 1
    assert found.needed_users > 8000
    assert found.days_left == pytest.approx(max(6, found.needed_users / 8000 - 1))


def test_the_past_of_the_users_makes_a_decision_sooner() -> None:
    chance = np.random.default_rng(3)
    made, plain = Outcomes(["control", "blue"]), Outcomes(["control", "blue"])
    for arm in (0, 1):
        users = chance.integers(0, 1 << 63, 1500).astype(np.uint64)
        taste = chance.gamma(1.0, 8.0, 1500)
        now, before = chance.poisson(taste * (1 + 0.1 * arm)), chance.poisson(taste)
        has = {"user": np.ones(1500), "shown": np.full(1500, 10.0), "click": now, "revenue": 2.0 * now}
        for outcome, amounts in has.items():
            for each in (made, plain):
                each.add(
                    np.full(1500, arm), users, np.full(1500, OUTCOMES.index(outcome)), amounts.astype(float)
                )
        column = np.full(1500, OUTCOMES.index("click_before"))
        made.add(np.full(1500, arm), users, column, before.astype(float))
    for metric in ("clicks", "revenue"):
        asked = msgspec.structs.replace(experiment(), primary=metric)
        with_past, without = (read(asked, each.by_arm(), LATE).rows[0] for each in (made, plain))
        width = with_past.interval.high - with_past.interval.low
        assert width < 0.5 * (without.interval.high - without.interval.low)


def test_a_bandit_gives_more_users_to_what_earns_more_and_some_to_all() -> None:
    bandit = experiment(kind="bandit", step_hours=1.0)
    better = table((4000, 1.0), (4000, 1.3))
    assert decide("e", bandit, better, START + 60).rule == "wait"
    found = decide("e", bandit, better, START + 3600)
    assert (found.rule, found.after.state, found.after.since) == ("shares", "running", START + 3600)
    assert found.after.shares == (0.05, 0.95)
    assert not faults(found.after)
    assert found.after == decide("e", bandit, better, START + 3600).after
    alike = decide("e", bandit, table((4000, 1.0), (4000, 1.0)), START + 3600).after.shares
    assert 0.05 < alike[0] < 0.95
    assert sum(alike) == pytest.approx(1.0)
    assert decide("e", bandit, table((50, 1.0), (50, 2.0)), START + 7200).rule == "wait"


def test_a_bandits_arm_earns_no_more_by_having_its_users_for_longer() -> None:
    """Users move between arms: who was moved away early had few slates, and bought as often by slate."""
    chance = np.random.default_rng(4)
    made = Outcomes(["control", "blue"])
    for arm, slates in enumerate((3.0, 30.0)):
        users = chance.integers(0, 1 << 63, 4000).astype(np.uint64)
        for outcome, amounts in {
            "user": np.ones(4000),
            "shown": np.full(4000, slates),
            "purchase": chance.poisson(0.05 * slates, 4000).astype(float),
            "click_before": np.full(4000, 10.0 * slates),
        }.items():
            made.add(np.full(4000, arm), users, np.full(4000, OUTCOMES.index(outcome)), amounts)
    bandit = experiment(kind="bandit", primary="purchases", guardrails=(Guardrail("purchases"),))
    turned = {"control": made.by_arm()["blue"], "blue": made.by_arm()["control"]}
    for outcomes in (made.by_arm(), turned):
        found = decide("e", bandit, outcomes, START + DAY_SECONDS)
        assert found.rule == "shares"
        assert 0.06 < found.after.shares[0] < 0.94


def test_a_pause_is_no_time_of_an_experiments_runtime() -> None:
    better = table((4000, 1.0), (4000, 1.3))
    paused = moved("e", experiment(max_runtime_days=9.0), "pause", START + DAY_SECONDS)
    again = moved("e", paused, "start", START + 8 * DAY_SECONDS)
    assert decide("e", again, better, START + 9 * DAY_SECONDS).rule == "wait"
    alike = table((2000, 1.0), (2000, 1.0))
    assert decide("e", again, alike, START + 10 * DAY_SECONDS).rule == "wait"
    assert read(again, better, START + 9 * DAY_SECONDS).days_left >= 5
    assert decide("e", again, better, START + 14 * DAY_SECONDS).rule == "better"
    assert decide("e", again, alike, START + 16 * DAY_SECONDS).rule == "over"
    assert (paused.ran(LATE), again.ran(LATE + DAY_SECONDS)) == (DAY_SECONDS, 2 * DAY_SECONDS)


def refunded(share: float, seed: int) -> dict[str, Moments]:
    """Two arms of which each user gives back more than was bought in the time; the second so much of the first."""
    chance = np.random.default_rng(seed)
    made = Outcomes([arm.name for arm in ARMS])
    for arm in (0, 1):
        users = chance.integers(0, 1 << 63, 4000).astype(np.uint64)
        for outcome, amounts in {
            "user": np.ones(4000),
            "revenue": chance.gamma(1.0, 1.0, 4000),
            "refund": chance.gamma(1.0, 3.0, 4000) * (share if arm else 1.0),
        }.items():
            made.add(np.full(4000, arm), users, np.full(4000, OUTCOMES.index(outcome)), amounts)
    return made.by_arm()


def test_more_is_better_where_the_control_has_less_than_nothing_too() -> None:
    guarded = experiment(primary="revenue", guardrails=(Guardrail("revenue", 0.3),))
    assert decide("e", guarded, refunded(1.0, 1), START + DAY_SECONDS).rule == "wait"
    assert decide("e", guarded, refunded(1.5, 1), START + DAY_SECONDS).rule == "guardrail"
    better = refunded(0.7, 1)
    assert decide("e", guarded, better, LATE).rule == "better"
    lift = read(guarded, better, LATE).rows[0]
    assert lift.control.value < lift.treatment.value
    assert 0 < lift.interval.low < lift.lift < lift.interval.high


def test_a_bandits_guardrail_ends_it() -> None:
    guarded = experiment(kind="bandit", guardrails=(Guardrail("bounce", 0.02),))
    worse = table((4000, 1.0), (4000, 1.3), worse_bounce=0.06)
    assert decide("e", guarded, worse, START + 60).rule == "guardrail"
