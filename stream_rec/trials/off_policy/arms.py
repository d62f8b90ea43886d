"""An arm of an experiment as the policy: chance has dealt users to arms, and every slate says with which probability.

What is drawn is the arm, not the item. So the slates that the arm has shown stand for it as it is, with its rules, its
sources and its own ranker, and those of the other arms say nothing of it but what a model makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from stream_rec.errors import ConfigError
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.faults import did_you_mean
from stream_rec.settings import Settings
from stream_rec.trials.assignment import arms as dealt
from stream_rec.trials.off_policy.judge import Judged
from stream_rec.trials.off_policy.log import (
    Impressed,
    Question,
    find_impressions,
    read_interactions,
    read_slates,
    rewards_of,
)
from stream_rec.trials.off_policy.rewards import Means
from stream_rec.trials.off_policy.values import Rounds, value, values, weighed, weights_of
from stream_rec.trials.states import UnknownArm


class OfArm(NamedTuple):
    """The policy.

    Attributes:
        name: of the experiment.
        experiment: as it is in force.
        arm: its name.
    """

    name: str
    experiment: Experiment
    arm: str

    @property
    def number(self) -> int:
        """Of the arm, 0 = the control."""
        return [each.name for each in self.experiment.arms].index(self.arm)


class ShownByArm(NamedTuple):
    """A slate of the experiment that was shown.

    Attributes:
        user: whose.
        arm: whose, its number.
        share: the chance with which its user got this arm; NaN = unknown.
        reward: with how many of its items something was done.
    """

    user: str
    arm: int
    share: float
    reward: float


@dataclass(slots=True)
class ArmLog:
    """What was found.

    Attributes:
        shown: slates of the experiment, in no order.
        of_none: slates of the scenario that are of none of its arms.
    """

    shown: list[ShownByArm] = field(default_factory=list)
    of_none: int = 0


def check_arm(policy: OfArm, scenario: str) -> None:
    """Can the log of a scenario say anything of the arm?

    Raises:
        UnknownArm: the experiment has none of this name.
        ConfigError: it is shown to nobody by itself, not yet, or not in this scenario.
    """
    names = [each.name for each in policy.experiment.arms]
    if policy.arm not in names:
        raise UnknownArm(
            f"experiment {policy.name} has no arm {policy.arm!r}", fix=did_you_mean(policy.arm, names)
        )
    if policy.experiment.kind == "shadow":
        raise ConfigError(
            f"experiment {policy.name} is a shadow: its arms are shown to nobody, so no slate has a chance of theirs",
            fix=f"`stream-rec experiment show {policy.name}` says how its rankers are judged; or show it: kind = 'ab'",
        )
    if policy.experiment.kind == "interleaving":
        raise ConfigError(
            f"experiment {policy.name} is interleaved: every slate is of both arms, none of {policy.arm!r} alone",
            fix=f"`stream-rec experiment show {policy.name}` says which arm users prefer; or show it: kind = 'ab'",
        )
    if not policy.experiment.started:
        raise ConfigError(
            f"experiment {policy.name} has not begun: nobody was dealt to its arms",
            fix="start it; or, before, apply the arm's `scenario` under a name of its own, and judge that",
        )
    if policy.experiment.scenarios and scenario not in policy.experiment.scenarios:
        raise ConfigError(
            f"experiment {policy.name} changes no slate of scenario {scenario!r}",
            fix=f"--scenario {did_you_mean(scenario, policy.experiment.scenarios)}",
        )


def read_arm_log(settings: Settings, question: Question, policy: OfArm) -> ArmLog:
    """Read the topics `slates`, `impressions` and `events`, of the time since the experiment has begun.

    Raises:
        ConfigError: nothing was shown, the arm's users were chosen by whoever asked, or as `check_arm`; a topic is
            missing.
        Unavailable: the broker does not answer.
    """
    check_arm(policy, question.logged)
    question = question._replace(begin=max(question.begin, policy.experiment.started))
    impressions = find_impressions(settings, question)
    slates = {
        slate.slate_id: (slate.experiment, slate.variant, slate.variant_propensity)
        for _, slate in read_slates(settings, {each.slate_id for each in impressions})
    }
    done = read_interactions(settings, question, {each.user for each in impressions})
    numbers = {each.name: number for number, each in enumerate(policy.experiment.arms)}
    log = ArmLog()
    for each in impressions:
        # What stands no longer on `slates` is known by its impression, but for its chance.
        said = each.experiment or policy.name, each.variant, None
        experiment, variant, share = slates.get(each.slate_id, said)
        if experiment != policy.name or variant not in numbers:
            log.of_none += 1
            continue
        rewards = rewards_of(each, done.get(each.user, {}), settings.measure.attribution_window_seconds)
        log.shown.append(
            ShownByArm(each.user, numbers[variant], math.nan if share is None else share, sum(rewards))
        )
    _check_dealt(log, policy, impressions)
    return log


def _check_dealt(log: ArmLog, policy: OfArm, impressions: Sequence[Impressed]) -> None:
    """Were its users dealt by their hash? A bandit's shares change, so of one it is not known."""
    if not log.shown:
        raise ConfigError(
            f"none of {len(impressions)} slates shown since is of an arm of experiment {policy.name}",
            fix="impressions name `experiment` and `variant` of their slate (docs/trials.md); or ask for other times",
        )
    if policy.experiment.kind == "bandit":
        return
    hashes = hash_ids(IdColumn.of([each.user for each in log.shown]))
    wanted = dealt(policy.name, policy.experiment, hashes)
    others = int((wanted != np.array([each.arm for each in log.shown])).sum())
    if others:
        raise ConfigError(
            f"{others} of {len(log.shown)} slates are of another arm than chance has dealt to their users: requests "
            "name the arm (`variant=`), and how likely each was nobody knows here",
            fix="compare the arms where they were dealt; or leave the dealing to the experiment",
        )


def judge_arm(shown: Sequence[ShownByArm], policy: OfArm, clip: float = math.inf) -> Judged:
    """Estimate what a slate of the arm earns.

    A round is a slate, its action the arm, w = 1 / share where it is the arm's, else 0 (IPS over arms is the estimator
    of Horvitz & Thompson 1952 itself). Users in fixed arms are one unit each. Of a bandit shares follow from what was
    earned before: estimates are unbiased all the same, intervals are those of large logs (Hadad, Hirshberg, Zhan, Wager
    & Athey 2021, "Confidence intervals for policy evaluation in adaptive experiments", PNAS 118).

    IPS, DM and DR are by slate of the log, SNIPW by slate of the arm: they differ where an arm changes how many slates
    its users look at.

    Args:
        shown: slates of the log, at least one.
        policy: the arm.
        clip: the largest weight of a slate; infinity = weights are whole.

    Raises:
        ConfigError: shares are missing, or the arm has too few slates.
    """
    rows: dict[str, int] = {}
    users = np.array([rows.setdefault(each.user, len(rows)) for each in shown])
    numbers = np.array([each.arm for each in shown])
    rewards = np.array([each.reward for each in shown])
    shares = np.array([each.share for each in shown])
    if unknown := int(np.isnan(shares).sum()):
        raise ConfigError(
            f"of {unknown} of {len(shown)} slates nobody knows with which chance they were of their arm",
            fix="ask for times of which `slates` has its records yet (`variant_propensity`): --from TIME",
        )
    weights = weights_of(shares, (numbers == policy.number).astype(np.float64))
    nowhere = np.zeros(len(shown), np.int64)
    n_arms = len(policy.experiment.arms)
    means = Means(rewards, numbers, nowhere, users, n_items=n_arms, n_places=1)
    expected = means.expected(numbers, nowhere, users)
    of_policy = means.expected(np.full(len(shown), policy.number), nowhere, users)
    rounds = Rounds(rewards, weights, expected, of_policy, users)
    logged = value("logged", rewards, np.ones(len(shown)), users)
    by_slate = (logged, *values(rounds, clip=clip))
    return Judged(by_slate, (), {}, len(shown), {"slate": weighed(weights, clip)})
