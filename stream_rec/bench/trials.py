"""`stream-rec bench trials`: does an experiment find what is there, and nothing else? On simulated users, by rule.

Everything is decided by `trials.decide` on the tables of `trials.outcomes`, as an experiment would be. Arms that are
alike or better have no minimum runtime, so that each look may ship, the first included. Arms that are worse are within
it, so that nothing but harm ends them.
"""

from __future__ import annotations

import math
import statistics
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec.bench import trials_world as world
from stream_rec.bench.harness import Figures, Say
from stream_rec.kernels.trial_state import OUTCOMES
from stream_rec.schemas.experiment import Arm, Experiment, Guardrail
from stream_rec.settings import Settings
from stream_rec.trials.assignment import arms
from stream_rec.trials.decide import decide, decide_interleaved
from stream_rec.trials.estimates import Metric, difference, estimate
from stream_rec.trials.interleaving import Preferences
from stream_rec.trials.moments import Moments
from stream_rec.trials.outcomes import Outcomes
from stream_rec.trials.readings import users_of
from stream_rec.trials.sequences import MIN_USERS

_NAMES = ("control", "treatment")
_FOUND, _BACK = ("better",), ("worse", "guardrail", "sample_ratio")
_Z = 1.959964
_RARER = 10
"""Runs with a planted difference are long, and looked at so much less often."""
_EXPERIMENT = Experiment(
    (Arm("control"), Arm("treatment")),
    guardrails=(Guardrail("ctr"),),
    min_runtime_days=0.0,
    state="running",
)
_IN_ITS_FIRST_WEEK = msgspec.structs.replace(_EXPERIMENT, min_runtime_days=7.0)
_MIXED = Experiment(_EXPERIMENT.arms, kind="interleaving", min_runtime_days=0.0, state="running")


class Plan(NamedTuple):
    """How much is simulated.

    Attributes:
        experiments: of two arms that are alike.
        impressions: slates of each of them.
        every: so many slates between two looks.
        runs: with a planted difference, of each kind.
        lift: the planted difference of clicks by slate.
        most_users: of such a run.
        seed: of everything.
    """

    experiments: int = 1000
    impressions: int = 20_000
    every: int = 100
    runs: int = 100
    lift: float = 0.1
    most_users: int = 40_000
    seed: int = 1


class _Ended(NamedTuple):
    """How an experiment ended.

    Attributes:
        rule: that decided; `wait` = none.
        users: until then.
        once: would a t-test have found a difference at any of the looks?
    """

    rule: str
    users: float
    once: bool


def run(_settings: Settings, say: Say, plan: Plan) -> Figures:
    """Simulate.

    Args:
        say: takes progress.
        plan: how much.

    Returns:
        `false_ship_share`, of A/A experiments in which an arm was shipped; `false_rollback_share`, rolled back;
        `level_holds`, are the shipped no more than the level allows;
        `t_test_false_share`, in which a t-test at 5 % would have found something at some look; of the planted runs
        `found_share` (shipped), `rolled_back_share`, the same with interleaving, and median users until then.
    """
    alike = [_ab(plan, 0.0, n, say=say) for n in range(plan.experiments)]
    figures: Figures = {
        "false_ship_share": _share(alike, _FOUND),
        "false_rollback_share": _share(alike, _BACK),
        "level_holds": _share(alike, _FOUND) <= _EXPERIMENT.alpha,
        "t_test_false_share": sum(each.once for each in alike) / len(alike),
        "experiments": plan.experiments,
        "looks_each": plan.impressions // plan.every,
    }
    say(f"alike: {figures}")
    up, down, past = (
        [_ab(plan, lift, n, past=past) for n in range(plan.runs)]
        for lift, past in ((plan.lift, False), (-plan.lift, False), (plan.lift, True))
    )
    figures |= {
        "found_share": _share(up, _FOUND),
        "rolled_back_share": _share(down, _BACK),
        "users_ab": _users(up, _FOUND),
        "users_ab_rolled_back": _users(down, _BACK),
        "users_ab_cuped": _users(past, _FOUND),
    }
    say("interleaving")
    mixed_up, mixed_down = (
        [_interleaved(plan, lift, n) for n in range(plan.runs)] for lift in (plan.lift, -plan.lift)
    )
    figures |= {
        "found_share_interleaved": _share(mixed_up, _FOUND),
        "rolled_back_share_interleaved": _share(mixed_down, _BACK),
        "users_interleaved": _users(mixed_up, _FOUND),
        "interleaved_by_ab": _users(mixed_up, _FOUND) / _users(up, _FOUND),
    }
    return figures


def _ab(plan: Plan, lift: float, n: int, *, past: bool = False, say: Say | None = None) -> _Ended:
    """One experiment of two arms, each with users of its own; `past` = what they did before is known."""
    if say and n % 100 == 0:
        say(f"alike: {n} of {plan.experiments}")
    slates, hashes = _shop(plan, lift, n)
    arm_of = arms(f"salt {n}", _EXPERIMENT, hashes)[slates.users]
    chances = np.array([world.up_to(world.attractions(each))[-1] for each in (0.0, lift)])
    is_first = np.zeros(len(slates.users), np.bool_)
    is_first[np.unique(slates.users, return_index=True)[1]] = True
    amounts = {
        "user": is_first.astype(np.float64),
        "shown": np.ones(len(slates.users)),
        "click": (slates.luck < chances[arm_of]).astype(np.float64),
    }
    if past:
        amounts["click_before"] = np.where(is_first, slates.before[slates.users], 0.0)
    table, once = Outcomes(_NAMES), False
    experiment = _IN_ITS_FIRST_WEEK if lift < 0 else _EXPERIMENT
    every = plan.every * (_RARER if lift else 1)
    for begin in range(0, len(arm_of), every):
        part = slice(begin, begin + every)
        for outcome, values in amounts.items():
            column = np.full(len(arm_of[part]), OUTCOMES.index(outcome))
            table.add(arm_of[part], hashes[slates.users[part]], column, values[part])
        found = table.by_arm()
        once = once or _is_found_by_a_t_test(found)
        rule = decide("bench", experiment, found, 1.0).rule
        if rule != "wait":
            return _Ended(rule, _n_users(found), once)
    return _Ended("wait", math.nan, once)


def _interleaved(plan: Plan, lift: float, n: int) -> _Ended:
    """One experiment of two arms in one slate."""
    slates, _ = _shop(plan, lift, n)
    drafts = world.mixed(lift)
    coins = np.random.default_rng([plan.seed, n]).integers(0, len(drafts.up_to), len(slates.users))
    place = (slates.luck[:, None] >= drafts.up_to[coins]).sum(axis=1)
    clicked = np.flatnonzero(place < world.K)
    is_b = drafts.is_b[coins[clicked], place[clicked]]
    credits = np.zeros((2, int(slates.users.max()) + 1))
    for begin in range(0, len(place), plan.every):
        low, high = np.searchsorted(clicked, (begin, begin + plan.every))
        np.add.at(credits, (is_b[low:high].astype(np.int64), slates.users[clicked[low:high]]), 1.0)
        rule = decide_interleaved("bench", _MIXED, Preferences.of_credits(*credits), 1.0).rule
        if rule != "wait":
            return _Ended(rule, len(np.unique(slates.users[: begin + plan.every])), False)
    return _Ended("wait", math.nan, False)


def _shop(plan: Plan, lift: float, n: int) -> tuple[world.Slates, NDArray[np.uint64]]:
    """The slates of the n-th experiment, and the hashes of its users. The same for each way to compare arms."""
    chance = np.random.default_rng([plan.seed, n, round(abs(lift) * 1000), int(lift < 0)])
    n_slates = plan.most_users * world.SLATES_BY_USER if lift else plan.impressions
    slates = world.slates(n_slates, chance)
    return slates, chance.integers(1, 1 << 63, int(slates.users.max()) + 1).astype(np.uint64)


def _is_found_by_a_t_test(found: dict[str, Moments]) -> bool:
    """At 5 %, by the normal distribution."""
    control, treatment = (estimate(moments, Metric("click", "shown")) for moments in found.values())
    at = difference(control, treatment)
    return min(users_of(found).values()) >= MIN_USERS and abs(at.value) > _Z * at.standard_error


def _n_users(found: dict[str, Moments]) -> float:
    return sum(users_of(found).values())


def _share(ended: list[_Ended], rules: tuple[str, ...]) -> float:
    return sum(each.rule in rules for each in ended) / len(ended)


def _users(ended: list[_Ended], rules: tuple[str, ...]) -> float:
    """Median of the users until it was decided, of those that were."""
    return statistics.median([each.users for each in ended if each.rule in rules] or [math.nan])
