"""Who is in which experiment, and in which arm: a function of the user's hash, so it needs no memory.

The same on every worker, after a restart and in a replay. When the traffic grows, who was in stays in, in the same arm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from stream_rec.schemas.decisions import hash_of
from stream_rec.schemas.experiment import Experiment

Hashes = NDArray[np.uint64]
OUTSIDE = -1
"""In no arm."""
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_TO_UNIT = 1.0 / 9007199254740992.0


def mixed(hashes: Hashes) -> Hashes:
    """SplitMix64's finaliser of n hashes: `kernels.ids.mix` of each."""
    value = (hashes ^ (hashes >> _S30)) * _M1
    value = (value ^ (value >> _S27)) * _M2
    return value ^ (value >> _S31)


def points(salt: str, users: Hashes) -> NDArray[np.float64]:
    """Where n users stand between 0 and 1 under a salt: float64 [n], in [0, 1), independent between salts.

    SplitMix64's finaliser over the user's hash (`kernels.ids.hash_ids`) xor the salt's.
    """
    value = mixed(users ^ np.uint64(hash_of(salt)))
    return (value >> _S11).astype(np.float64) * _TO_UNIT


def is_inside(name: str, experiment: Experiment, users: Hashes) -> NDArray[np.bool_]:
    """[n]: is the user among those whom the experiment has now, whoever else has them?

    Of its layer's users, those from `slot` on, as many as its present share says.
    """
    at = points(f"layer/{experiment.layer or name}", users)
    return (at >= experiment.slot) & (at < experiment.slot + experiment.share)


def arms(name: str, experiment: Experiment, users: Hashes) -> NDArray[np.int64]:
    """[n]: the arm in which each user would be, by the arms' weights (a bandit's shares), inside or not."""
    weights = np.array(experiment.weights)
    edges = np.cumsum(weights)[:-1] / weights.sum()
    at = points(f"arm/{experiment.salt or name}", users)
    return np.searchsorted(edges, at, side="right").astype(np.int64)


def assigned(experiments: Mapping[str, Experiment], users: Hashes) -> dict[str, NDArray[np.int64]]:
    """By experiment that has users now, [n]: the arm of each user, `OUTSIDE` of those whom it has not.

    Experiments of one layer have no user in common, even if their shares of it overlap by mistake: the one that began
    first has him.
    """
    taken: dict[str, NDArray[np.bool_]] = {}
    found: dict[str, NDArray[np.int64]] = {}
    for name in sorted(experiments, key=lambda each: (experiments[each].started, each)):
        experiment = experiments[name]
        if experiment.share <= 0:
            continue
        layer = experiment.layer or name
        before = taken.get(layer, np.zeros(len(users), np.bool_))
        inside = is_inside(name, experiment, users) & ~before
        taken[layer] = before | inside
        found[name] = np.where(inside, arms(name, experiment, users), OUTSIDE)
    return found


def takes_part(experiment: Experiment, context: Mapping[str, object]) -> bool:
    """Is a request with this context for the experiment's audience?

    Args:
        experiment: whose audience.
        context: by key, as interactions have it; the key `user` is `new` or `returning`.
    """
    return all(_word(context.get(key)) in values for key, values in experiment.audience.items())


def free_slot(name: str, experiment: Experiment, others: Mapping[str, Experiment]) -> float | None:
    """Where in its layer the experiment's full traffic has room beside those that are live; None = nowhere."""
    layer = experiment.layer or name
    taken = sorted(_spans(layer, {other: each for other, each in others.items() if other != name}))
    at = 0.0
    for begin, end in taken:
        if begin - at >= experiment.traffic - 1e-9:
            return at
        at = max(at, end)
    return at if at + experiment.traffic <= 1 + 1e-9 else None


def neighbours(name: str, experiment: Experiment, others: Mapping[str, Experiment]) -> list[str]:
    """Live experiments of its layer whose users it would have, at full traffic."""
    begin, end = experiment.slot, experiment.slot + experiment.traffic
    layer = experiment.layer or name
    return [
        other
        for other, each in others.items()
        if other != name
        and any(low < end - 1e-9 and begin < high - 1e-9 for low, high in _spans(layer, {other: each}))
    ]


def _spans(layer: str, experiments: Mapping[str, Experiment]) -> Iterable[tuple[float, float]]:
    for name, each in experiments.items():
        if each.is_live and (each.layer or name) == layer:
            yield each.slot, each.slot + each.traffic


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
