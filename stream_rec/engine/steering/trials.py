"""Experiments at work: which arm a user's slate of a scenario is of, and what the scenario says in that arm.

A function of the records on `control`. An arm's scenario is one of its own for the compiler of rules; slates bear the
scenario's name and the arm's beside it. A slate is of one experiment at most: where several of different layers reach
for a user, the one that began first has the slate. The others lose users at random, so they compare as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.scenario_check import faults
from stream_rec.trials.assignment import OUTSIDE, assigned, takes_part

MAX_EXPERIMENTS = 16
"""With users of their own, or shipped, at once."""
MAX_VARIANTS = 32
"""Scenarios as arms change them, of all experiments together."""
NOBODY = -1
"""Of no arm."""
_LISTS = hash_ids(IdColumn.of([""]))[0]
"""Lists for everybody are made for the user without a name."""
_NOT_AN_ARMS = ("on", "valid_from", "valid_until", "description")
"""Whether a scenario is shown at all is not for an arm to say."""


class Dealt(NamedTuple):
    """An arm of an experiment in a scenario.

    Attributes:
        experiment: its name.
        arm: its name.
        number: of the arm, 0 = the control.
        share: of the experiment's users that are in it.
        scenario: whose rules make the slate: the name of the arm's own, or of the scenario as it is.
        ranks: a ranker of its own orders the slate.
        mixed: the slate is drafted from both arms (interleaving).
    """

    experiment: str
    arm: str
    number: int
    share: float
    scenario: str
    ranks: bool
    mixed: bool = False


class Trials:
    """The experiments in force, for these scenarios.

    Args:
        base: the scenarios in force, without arms.
        experiments: by name; those without users are left out by itself.

    Attributes:
        base: as given.
        scenarios: those, and the arms' own; the same object if there is no arm that changes one.
        left_out: experiments that there is no room for, or whose arms make impossible scenarios, and why.
        shipped_rankers: by scenario, experiment and arm whose ranker orders its slates for everybody.
    """

    def __init__(self, base: Mapping[str, Scenario], experiments: Mapping[str, Experiment]) -> None:
        self.base = base
        self.left_out: dict[str, str] = {}
        self._experiments: dict[str, Experiment] = {}
        self._dealt: dict[str, dict[str, tuple[Dealt, ...]]] = {}
        variants: dict[str, Scenario] = {}
        live = {name: each for name, each in experiments.items() if each.is_live and each.kind != "shadow"}
        for name in sorted(live, key=lambda each: (live[each].started, each)):
            made = self._made(name, live[name])
            if made is None:
                continue
            if len(self._experiments) == MAX_EXPERIMENTS or len(variants) + len(made) > MAX_VARIANTS:
                self.left_out[name] = "there is no room for it beside those that began before"
                continue
            variants |= made
            self._experiments[name] = live[name]
            for scenario in _scenarios_of(live[name], base):
                self._dealt.setdefault(scenario, {})[name] = _dealt(name, live[name], scenario, made)
        self.scenarios: Mapping[str, Scenario] = {**base, **variants} if variants else base
        self.shipped_rankers = _shipped_rankers(base, experiments)

    def touches(self, scenario: str) -> bool:
        """Has an experiment users in it?"""
        return scenario in self._dealt

    def arms_of(self, scenario: str) -> list[Dealt]:
        """Every arm that a slate of the scenario may be of."""
        return [arm for arms in self._dealt.get(scenario, {}).values() for arm in arms]

    def deal(
        self, scenario: str, users: NDArray[np.uint64], returning: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """[n]: which of `arms_of` each user's slate is of; `NOBODY` = of none.

        Args:
            scenario: whose slates.
            users: [n], hashes.
            returning: [n], has the user been here before the present session.
        """
        which = np.full(len(users), NOBODY, np.int64)
        of_all = assigned(self._experiments, users)
        first = 0
        for name, arms in self._dealt.get(scenario, {}).items():
            at = of_all.get(name)
            if at is not None:
                has = (at != OUTSIDE) & (which == NOBODY) & (users != _LISTS)
                has &= self._audience(self._experiments[name], returning)
                which[has] = first + at[has]
            first += len(arms)
        return which

    def named(self, scenario: str, experiment: str, arm: str) -> int:
        """Which of `arms_of` has these names; an empty name of an experiment = the first that has the arm.

        Raises:
            KeyError: there is none.
        """
        for at, each in enumerate(self.arms_of(scenario)):
            if each.arm == arm and (not experiment or each.experiment == experiment):
                return at
        raise KeyError(arm)

    @staticmethod
    def _audience(experiment: Experiment, returning: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Of slates that are written ahead nothing but `user` is known of the context."""
        new, old = (takes_part(experiment, {"user": word}) for word in ("new", "returning"))
        return np.where(returning, old, new)

    def _made(self, name: str, experiment: Experiment) -> dict[str, Scenario] | None:
        made: dict[str, Scenario] = {}
        for scenario in _scenarios_of(experiment, self.base):
            for arm in experiment.arms:
                if changed := changes_of(arm):
                    made[variant(scenario, name, arm.name)] = overlaid(self.base[scenario], changed)
        for each, of_arm in made.items():
            if found := faults(of_arm):
                self.left_out[name] = f"{each}: {found[0]}"
                return None
        return made


def variant(scenario: str, experiment: str, arm: str) -> str:
    """What the scenario is called as the arm has it: no name of a scenario has these signs."""
    return f"{scenario}@{experiment}/{arm}"


def is_variant(scenario: str) -> bool:
    """Is it a scenario as an arm has it?"""
    return "@" in scenario


def base_of(scenario: str) -> str:
    """The name of the scenario that an arm has changed; of one that is no arm's, its own."""
    return scenario.partition("@")[0]


def experiment_of(variant: str) -> str:
    """The name of the experiment that an arm's scenario (`variant`) is of."""
    return variant.partition("@")[2].partition("/")[0]


def changes_of(arm: Arm) -> dict[str, object]:
    """The fields of a scenario that an arm may change and does, as they were written."""
    return {name: value for name, value in arm.scenario.items() if name not in _NOT_AN_ARMS}


def overlaid(scenario: Scenario, changed: Mapping[str, object]) -> Scenario:
    """A scenario with these fields as an arm has them."""
    arms = msgspec.convert(changed, Scenario)
    return msgspec.structs.replace(scenario, **{name: getattr(arms, name) for name in changed})


def changes_scenarios(experiment: Experiment) -> bool:
    """Is an arm of it shipped that makes scenarios others than they were?"""
    arm = _winner(experiment)
    return arm is not None and bool(changes_of(arm))


def shipped(
    base: Mapping[str, Scenario], experiments: Mapping[str, Experiment], since: Mapping[str, int]
) -> dict[str, Scenario]:
    """The scenarios with what shipped arms have changed in them: the last one that was shipped counts.

    Args:
        base: as records and settings have them.
        experiments: by name; those that are not shipped say nothing.
        since: offset on `control` of each experiment's record, and of each scenario's under its own name: who changes a
            scenario after an arm was shipped has the last word.
    """
    found = dict(base)
    winners = [name for name, each in experiments.items() if changes_scenarios(each)]
    for name in sorted(winners, key=lambda each: since[f"experiment/{each}"]):
        experiment = experiments[name]
        arm = _winner(experiment)
        changed = changes_of(arm) if arm is not None else {}
        for scenario in _scenarios_of(experiment, base):
            if since.get(f"scenario/{scenario}", -1) < since[f"experiment/{name}"]:
                wanted = overlaid(found[scenario], changed)
                found[scenario] = found[scenario] if faults(wanted) else wanted
    return found


def _winner(experiment: Experiment) -> Arm | None:
    if experiment.state != "shipped":
        return None
    return next((arm for arm in experiment.arms if arm.name == experiment.winner), None)


def _shipped_rankers(
    base: Mapping[str, Scenario], experiments: Mapping[str, Experiment]
) -> dict[str, tuple[str, str]]:
    """The one that was shipped last."""
    found: dict[str, tuple[str, str]] = {}
    for name in sorted(experiments, key=lambda each: (experiments[each].since, each)):
        arm = _winner(experiments[name])
        if arm is not None and arm.ranks:
            found |= dict.fromkeys(_scenarios_of(experiments[name], base), (name, arm.name))
    return found


def _scenarios_of(experiment: Experiment, base: Mapping[str, Scenario]) -> Sequence[str]:
    return [name for name in base if not experiment.scenarios or name in experiment.scenarios]


def _dealt(
    name: str, experiment: Experiment, scenario: str, made: Mapping[str, Scenario]
) -> tuple[Dealt, ...]:
    weights = experiment.weights
    found = []
    for number, arm in enumerate(experiment.arms):
        own = variant(scenario, name, arm.name)
        under = own if own in made else scenario
        share = round(weights[number] / sum(weights), 6)
        mixed = experiment.kind == "interleaving"
        found.append(Dealt(name, arm.name, number, share, under, arm.ranks, mixed))
    return tuple(found)
