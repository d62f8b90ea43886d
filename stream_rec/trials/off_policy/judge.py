"""A policy judged by a log: every estimate that the log allows, and why it does not allow the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.errors import ConfigError
from stream_rec.trials.off_policy.cascade import Slates, cascade_dr, weights_of_slates
from stream_rec.trials.off_policy.log import Shown
from stream_rec.trials.off_policy.rewards import Means
from stream_rec.trials.off_policy.values import (
    Floats,
    Rounds,
    Value,
    Weights,
    check_support,
    value,
    values,
    weighed,
    weights_of,
)


class Judged(NamedTuple):
    """What is known of a policy.

    Attributes:
        by_slate: rewards in a slate, of the logged policy (`logged`) and by cascade-DR of the other.
        by_place: rewards in a place, of the logged policy and by the estimators of single places: they take what a user
            does with an item for independent of what stands above it.
        refused: why there is no estimate, by `slate` or `place`.
        slates: how many were shown.
        weights: how heavy they are, by `slate` and `place`.
    """

    by_slate: tuple[Value, ...]
    by_place: tuple[Value, ...]
    refused: dict[str, str]
    slates: int
    weights: dict[str, Weights]


class _Table(NamedTuple):
    """Shown slates as arrays [n, places]; -2 = a place that the slate or the policy's has not; -1 = an unknown item."""

    items: NDArray[np.int64]
    wanted: NDArray[np.int64]
    propensities: Floats
    rewards: Floats
    users: NDArray[np.int64]
    n_items: int


def judge(shown: Sequence[Shown], places: int, clip: float = math.inf) -> Judged:
    """Estimate what the policy earns in the places that it has and the shown slates have.

    Args:
        shown: slates of the log, at least one.
        places: of each, at most.
        clip: the largest weight of a place, and of a slate; infinity = weights are whole.

    Raises:
        ConfigError: propensities are missing, or the log says nothing of the policy in any way.
    """
    table = _table(shown, places)
    is_there = table.items >= 0
    ratios = np.ones(table.items.shape)
    ratios[is_there] = weights_of(
        table.propensities[is_there], (table.items == table.wanted)[is_there].astype(np.float64)
    )
    rows, columns = np.nonzero(is_there)
    users = table.users[rows]
    means = Means(
        table.rewards[is_there], table.items[is_there], columns, users, n_items=table.n_items, n_places=places
    )
    expected, of_policy = np.zeros(table.items.shape), np.zeros(table.items.shape)
    expected[is_there] = means.expected(table.items[is_there], columns, users)
    of_policy[is_there] = means.expected(table.wanted[is_there], columns, users)
    rounds = Rounds(table.rewards[is_there], ratios[is_there], expected[is_there], of_policy[is_there], users)
    rest = np.cumsum(of_policy[:, ::-1], axis=1)[:, ::-1] - of_policy
    slates = Slates(
        table.rewards, ratios, (expected + rest) * is_there, (of_policy + rest) * is_there, table.users
    )
    return _judged(rounds, slates, clip)


def _judged(rounds: Rounds, slates: Slates, clip: float) -> Judged:
    refused: dict[str, str] = {}
    n = len(slates.rewards)
    by_slate = [value("logged", slates.rewards.sum(axis=1), np.ones(n), slates.users)]
    by_place = [value("logged", rounds.rewards, np.ones(len(rounds.rewards)), rounds.users)]
    try:
        by_slate.append(cascade_dr(slates, clip))
    except ConfigError as error:
        refused["slate"] = error.message
    try:
        check_support(rounds.weights, rounds.users)
        by_place.extend(values(rounds, clip=clip))
    except ConfigError as error:
        refused["place"] = error.message
    if len(refused) == 2:
        raise ConfigError(
            f"the log cannot judge this policy: {refused['place']}; of whole slates, {refused['slate']}",
            fix="explore more, or longer, among what the policy shows; or judge it in an experiment",
        )
    weights = {"slate": weighed(weights_of_slates(slates), clip), "place": weighed(rounds.weights, clip)}
    return Judged(tuple(by_slate), tuple(by_place), refused, n, weights)


def _table(shown: Sequence[Shown], places: int) -> _Table:
    rows: dict[str, int] = {}
    users: dict[str, int] = {}
    shape = (len(shown), places)
    table = _Table(
        np.full(shape, -2),
        np.full(shape, -2),
        np.full(shape, np.nan),
        np.zeros(shape),
        np.zeros(len(shown), np.int64),
        0,
    )
    for i, each in enumerate(shown):
        n = min(len(each.items), len(each.wanted), places)
        table.items[i, :n] = [rows.setdefault(item, len(rows)) for item in each.items[:n]]
        table.propensities[i, :n] = each.propensities[:n]
        table.rewards[i, :n] = each.rewards[:n]
        table.users[i] = users.setdefault(each.user, len(users))
    for i, each in enumerate(shown):
        n = min(len(each.items), len(each.wanted), places)
        table.wanted[i, :n] = [rows.get(item, -1) for item in each.wanted[:n]]
    return table._replace(n_items=len(rows))
