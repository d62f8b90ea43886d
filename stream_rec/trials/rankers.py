"""Which arms have a ranker of their own, and from when to when: a function of the records on `control`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from stream_rec.schemas.experiment import Arm, Experiment

MAX_RANKERS = 8
"""Of arms, at once: each is judged and trained on every training example."""


class OwnRanker(NamedTuple):
    """The ranker of an arm.

    Attributes:
        experiment: name of the experiment.
        arm: whose.
        began: when its experiment began, seconds.
        ended: when nobody needed it any more, seconds; infinity = it is needed.
    """

    experiment: str
    arm: Arm
    began: float
    ended: float


def own_rankers(experiments: Mapping[str, Experiment]) -> Iterator[OwnRanker]:
    """Of experiments that have begun, in the order in which they did.

    A live experiment needs those of all its arms. The one that was shipped orders slates for everybody, until others
    that were shipped later do in all of its scenarios.
    """
    begun = {name: each for name, each in experiments.items() if each.started > 0}
    replaced = _replaced(begun)
    for name in sorted(begun, key=lambda each: (begun[each].started, each)):
        experiment = begun[name]
        for arm in experiment.arms:
            if arm.ranks:
                is_winner = experiment.state == "shipped" and arm.name == experiment.winner
                over = replaced[name] if is_winner else experiment.since
                yield OwnRanker(name, arm, experiment.started, math.inf if experiment.is_live else over)


def in_the_way(name: str, experiment: Experiment, others: Mapping[str, Experiment]) -> list[str]:
    """Experiments whose rankers leave too few for the arms of this one; none = there is room.

    Args:
        name: of the experiment.
        experiment: that would have users.
        others: all there are; it may be among them.
    """
    beside = {other: each for other, each in others.items() if other != name}
    taken = [each.experiment for each in own_rankers(beside) if each.ended == math.inf]
    wanted = sum(arm.ranks for arm in experiment.arms)
    return [*dict.fromkeys(taken)] if wanted and wanted + len(taken) > MAX_RANKERS else []


def _replaced(experiments: Mapping[str, Experiment]) -> dict[str, float]:
    """By shipped experiment whose winner ranks: since when others do in all of its scenarios; infinity = not yet."""
    shipped = [name for name, each in experiments.items() if _winner_ranks(each)]
    shipped.sort(key=lambda each: (experiments[each].since, each))
    found = {}
    for at, name in enumerate(shipped):
        left = {*experiments[name].scenarios}
        found[name] = math.inf
        for later in (experiments[each] for each in shipped[at + 1 :]):
            left -= {*later.scenarios}
            if not later.scenarios or (experiments[name].scenarios and not left):
                found[name] = later.since
                break
    return found


def _winner_ranks(experiment: Experiment) -> bool:
    return experiment.state == "shipped" and any(
        arm.ranks for arm in experiment.arms if arm.name == experiment.winner
    )
