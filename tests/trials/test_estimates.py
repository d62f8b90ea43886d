"""Means, ratios and CUPED from moments, held to tea-tasting on the same users."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stream_rec.kernels.trial_state import OUTCOMES
from stream_rec.trials.estimates import Metric, cuped, difference, estimate, relative
from stream_rec.trials.fixed import holm, t_test
from stream_rec.trials.moments import Floats, Moments
from stream_rec.trials.outcomes import Outcomes
from stream_rec.trials.power import Plan, days_left, detectable, needed_users

if TYPE_CHECKING:
    from tea_tasting.aggr import Aggregates

NAMES = ("user", "y", "d", "y0", "d0")


@dataclass
class World:
    """Two arms with the same users in both forms."""

    ours: dict[str, Moments]
    theirs: dict[str, Aggregates]


def people(n: int, lift: float, seed: int) -> Floats:
    """[n, 5]: users whose present goes with their past."""
    chance = np.random.default_rng(seed)
    active = chance.gamma(1.5, 1.0, n)
    shown = chance.poisson(8 * active) + 1.0
    before = chance.poisson(8 * active) + 1.0
    taste = chance.beta(2, 8, n)
    return np.column_stack(
        [
            np.ones(n),
            chance.binomial(shown.astype(int), taste * lift),
            shown,
            chance.binomial(before.astype(int), taste),
            before,
        ]
    ).astype(np.float64)


@pytest.fixture(scope="module")
def tt() -> ModuleType:
    """Here, as it brings two libraries of SQL along: seconds in each process that only collects the tests."""
    import tea_tasting

    return tea_tasting


def aggregates(units: Floats) -> Aggregates:
    from tea_tasting.aggr import Aggregates

    spread = np.cov(units.T)
    pairs = {(a, b): float(spread[i, j]) for i, a in enumerate(NAMES) for j, b in enumerate(NAMES) if a < b}
    return Aggregates(
        len(units),
        {name: float(mean) for name, mean in zip(NAMES, units.mean(axis=0), strict=True)},
        {name: float(spread[i, i]) for i, name in enumerate(NAMES)},
        pairs,
    )


@pytest.fixture(scope="module")
def world() -> World:
    arms = {"control": people(900, 1.0, 1), "blue": people(1100, 1.2, 2)}
    return World(
        {arm: Moments.of_units(NAMES, units) for arm, units in arms.items()},
        {arm: aggregates(units) for arm, units in arms.items()},
    )


CASES = {
    "mean": (Metric("y"), lambda tt: tt.Mean("y", use_t=True)),
    "ratio": (Metric("y", "d"), lambda tt: tt.RatioOfMeans("y", "d")),
    "mean by its past": (Metric("y", before="y0"), lambda tt: tt.Mean("y", "y0")),
    "ratio by its past": (Metric("y", "d", "y0", "d0"), lambda tt: tt.RatioOfMeans("y", "d", "y0", "d0")),
}


@pytest.mark.parametrize("case", CASES)
def test_estimates_and_t_tests_are_those_of_tea_tasting(world: World, tt: ModuleType, case: str) -> None:
    metric, oracle = CASES[case]
    their: Any = oracle(tt).analyze_aggregates(world.theirs["control"], world.theirs["blue"])
    ours = cuped(world.ours, metric)
    test = t_test(ours["control"], ours["blue"])
    found = difference(ours["control"], ours["blue"])
    assert ours["control"].value == pytest.approx(their.control)
    assert ours["blue"].value == pytest.approx(their.treatment)
    assert found.value == pytest.approx(their.effect_size)
    assert tuple(test.interval) == pytest.approx((their.effect_size_ci_lower, their.effect_size_ci_upper))
    assert test.p_value == pytest.approx(their.pvalue)
    assert relative(ours["control"], ours["blue"]).value == pytest.approx(their.rel_effect_size)


def test_the_past_takes_variance_out(world: World) -> None:
    plain = difference(*cuped(world.ours, Metric("y", "d")).values())
    adjusted = difference(*cuped(world.ours, Metric("y", "d", "y0", "d0")).values())
    assert adjusted.variance < 0.8 * plain.variance


def test_a_past_that_never_varies_changes_nothing(world: World) -> None:
    assert cuped(world.ours, Metric("y", before="user")) == cuped(world.ours, Metric("y"))


def test_the_variance_between_buckets_is_that_between_users() -> None:
    units = people(60_000, 1.0, 3)
    table = Outcomes(["control"])
    users = np.random.default_rng(4).integers(0, 1 << 63, len(units)).astype(np.uint64)
    arms = np.zeros(len(units), np.int64)
    for column, outcome in ((0, "user"), (1, "click"), (2, "shown")):
        table.add(arms, users, np.full(len(units), OUTCOMES.index(outcome)), units[:, column])
    metric = Metric("click", "shown")
    bucketed = estimate(table.moments("control"), metric)
    exact = estimate(Moments.of_units(("user", "click", "shown"), units[:, :3]), metric)
    assert (bucketed.n, bucketed.value) == pytest.approx((exact.n, exact.value))
    assert bucketed.standard_error == pytest.approx(exact.standard_error, rel=0.1)


def test_moments_of_two_workers_add_up() -> None:
    units = people(500, 1.0, 5)
    whole = Moments.of_units(NAMES, units)
    parts = Moments.of_units(NAMES, units[:200]) + Moments.of_units(NAMES, units[200:])
    assert parts.n_units == whole.n_units
    assert np.allclose(parts.products, whole.products)
    with pytest.raises(ValueError, match="outcomes"):
        whole + Moments.of_units(NAMES[:2], units[:, :2])


def test_power_is_that_of_tea_tasting(world: World, tt: ModuleType) -> None:
    control = estimate(world.ours["control"], Metric("y", "d"))
    plan = Plan(mde=0.05, sequential=False)
    oracle = tt.RatioOfMeans("y", "d", use_t=False, rel_effect_size=0.05, power=0.8)
    their: Any = oracle.solve_power_from_aggregates(world.theirs["control"], "n_obs")
    needed = needed_users(control, plan)
    assert needed == pytest.approx(their[0].n_obs, rel=1e-3)
    assert detectable(control, needed, plan) == pytest.approx(0.05)


def test_looking_all_the_time_takes_more_users_and_finds_what_it_says(world: World) -> None:
    control = estimate(world.ours["control"], Metric("y", "d"))
    once, always = (needed_users(control, Plan(mde=0.05, sequential=each)) for each in (False, True))
    assert 1.3 * once < always < 3 * once
    assert detectable(control, always, Plan(mde=0.05)) == pytest.approx(0.05, rel=1e-6)


def test_days_left_are_those_of_the_minimum_runtime_or_of_the_users() -> None:
    day = 86_400.0
    assert days_left(1000, 100, day, 7 * day) == pytest.approx(9)
    assert days_left(1000, 900, day, 7 * day) == pytest.approx(6)
    assert days_left(1000, 1000, 8 * day, 7 * day) == 0
    assert days_left(1000, 0, day, 7 * day) == float("inf")


def test_holm_is_that_of_tea_tasting(world: World, tt: ModuleType) -> None:
    lifts = {f"m{n}": people(400, 1.0 + n / 20, 10 + n) for n in range(6)}
    oracle = {
        name: tt.Mean("y").analyze_aggregates(world.theirs["control"], aggregates(units))
        for name, units in lifts.items()
    }
    results = tt.experiment.ExperimentResult(oracle)
    theirs = tt.adjust_fwer(results, method="bonferroni", arbitrary_dependence=True)
    expected = {each["metric"]: each["pvalue_adj"] for each in theirs.to_dicts()}
    assert holm({name: each.pvalue for name, each in oracle.items()}) == pytest.approx(expected)


def test_arms_without_users_say_nothing() -> None:
    empty = Moments.of_units(NAMES, np.zeros((0, 5)))
    nothing = estimate(empty, Metric("y", "d"))
    assert (nothing.n, math.isnan(nothing.value), math.isnan(nothing.variance)) == (0.0, True, True)
    assert t_test(nothing, nothing).p_value == 1
