"""The value of a policy from the log of another: IPS, SNIPW, DM, DR and SWITCH-DR over rounds of one action each.

A round is one decision: an item in a place, with its reward. The *weight* of a round is how much likelier the policy to
be judged would have taken the logged action than the policy that did: w = pi(a | x) / propensity. The model q (of
`rewards.py`) says what an action earns; it makes DR surer, and cannot make it wrong, since the weights correct it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stream_rec.errors import ConfigError
from stream_rec.trials.moments import Moments

Floats = NDArray[np.float64]

LEAST_ROUNDS = 50.0
"""Effective ones; with fewer, no interval means anything."""
LEAST_SUPPORT = 0.95
"""Of what the policy would do, this share must have been possible in the log."""
SURE = 3.29
"""Standard errors: one log in a thousand is refused for bad luck."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """n rounds of a log.

    Attributes:
        rewards: [n].
        weights: [n], 0 or more: pi(a | x) / propensity of the logged action.
        expected: [n], what the model says of the logged action.
        of_policy: [n], what it says of the policy: the sum over actions of pi(a | x) q(x, a).
        users: [n], whose round it is, from 0; rounds of one user are not independent.
    """

    rewards: Floats
    weights: Floats
    expected: Floats
    of_policy: Floats
    users: NDArray[np.int64]


class Value(NamedTuple):
    """An estimate of what the policy earns in a round.

    Attributes:
        estimator: its name.
        value: mean reward.
        low: end of the 95 % interval.
        high: the other one.
    """

    estimator: str
    value: float
    low: float
    high: float


def weights_of(propensities: Floats, of_policy: Floats) -> Floats:
    """[n] weights from the propensities of the logged actions and the policy's probabilities of the same actions.

    Raises:
        ConfigError: a propensity is missing, or none: not above 0 and at most 1.
    """
    bad = ~((propensities > 0) & (propensities <= 1))
    if bad.any():
        raise ConfigError(
            f"{int(bad.sum())} of {len(bad)} rounds have no propensity",
            fix="let chance have a say, and log it: `exploration` in the scenario (docs/rules.md)",
        )
    return of_policy / propensities


def effective_rounds(weights: Floats) -> float:
    """(sum w)^2 / sum w^2: so many rounds of the policy itself would say as much (Kish 1965)."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def check_support(weights: Floats) -> None:
    """Could the log say anything of the policy?

    Where each action of the policy was possible, weights are 1 on average. If they certainly are less, the policy does
    what the log never did, and nobody knows what that earns.

    Args:
        weights: [n].

    Raises:
        ConfigError: it could not.
    """
    n = len(weights)
    mean = float(weights.mean()) if n else 0.0
    error = float(weights.std()) / n**0.5 if n else 0.0
    if mean + SURE * error < LEAST_SUPPORT:
        raise ConfigError(
            f"the log has only {mean:.1%} of what the policy would do: the rest never had a chance",
            fix="explore among what the policy shows (`exploration.among`), or judge it in an experiment",
        )
    if (effective := effective_rounds(weights)) < LEAST_ROUNDS:
        raise ConfigError(
            f"{n} rounds say as much as {effective:.0f} of the policy itself: too few",
            fix="a longer log, more exploration, or a policy that is nearer to the logged one",
        )


def values(rounds: Rounds, switch: float = 10.0) -> Iterator[Value]:
    """All estimates of a policy, with intervals by users.

    - `IPS`: mean of w r (Horvitz & Thompson 1952).
    - `SNIPW`: sum of w r / sum of w (Swaminathan & Joachims 2015).
    - `DM`: mean of what the model says; biased as the model is, and its interval knows nothing of that.
    - `DR`: DM + mean of w (r - q) (Dudik, Langford & Li 2011).
    - `SWITCH-DR`: the same with w = 0 where it is above `switch` (Wang, Agarwal & Dudik 2017).

    Args:
        rounds: of the log.
        switch: the weight above which the model alone is believed.

    Raises:
        ConfigError: the log cannot say (`check_support`).
    """
    check_support(rounds.weights)
    w, r = rounds.weights, rounds.rewards
    ones = np.ones(len(r))
    residual = w * (r - rounds.expected)
    yield value("IPS", w * r, ones, rounds.users)
    yield value("SNIPW", w * r, w, rounds.users)
    yield value("DM", rounds.of_policy, ones, rounds.users)
    yield value("DR", rounds.of_policy + residual, ones, rounds.users)
    yield value("SWITCH-DR", rounds.of_policy + np.where(w <= switch, residual, 0.0), ones, rounds.users)


def value(
    estimator: str, above: Floats, below: Floats, users: NDArray[np.int64], alpha: float = 0.05
) -> Value:
    """Sum of `above` / sum of `below` with its interval: the delta method, a user as unit."""
    n_users = int(users.max()) + 1 if len(users) else 0
    units = np.column_stack([np.bincount(users, each, n_users).astype(np.float64) for each in (above, below)])
    moments = Moments.of_units(("above", "below"), units)
    below_all = moments.total("below")
    found = moments.total("above") / below_all if below_all else 0.0
    error = moments.variance_of(moments.slopes("above", "below")) ** 0.5
    width = -float(special.ndtri(alpha / 2)) * error
    return Value(estimator, found, found - width, found + width)
