"""The value of a policy from the log of another: IPS, SNIPW, DM, DR and SWITCH-DR over rounds of one action each.

A round is one decision: an item in a place, with its reward. The *weight* of a round is how much likelier the policy to
be judged would have taken the logged action than the policy that did: w = pi(a | x) / propensity. The model q (of
`rewards.py`) says what an action earns; it makes DR surer, and cannot make it wrong, since the weights correct it.
"""

from __future__ import annotations

import math
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
SURE_ALPHA = 0.001
"""One log in two thousand is refused for bad luck."""


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
        bias: what clipping has made of it: the value less that of whole weights. It is an estimate of the bias (Su,
            Dimakopoulou, Krishnamurthy & Dudik 2020, "Doubly robust off-policy evaluation with shrinkage", ICML, 4.2),
            as unsure as the value of whole weights is, and no part of the interval.
    """

    estimator: str
    value: float
    low: float
    high: float
    bias: float = 0.0


class Weights(NamedTuple):
    """How heavy the weights of a log are.

    Attributes:
        effective: as how many rounds of the policy itself they count, as they are used (`effective_rounds`).
        largest: before clipping.
        clipped: share of the rounds whose weight was cut.
        lost: mean weight that was cut off, of 1 on average: where rewards are at most b, clipping takes at most b times
            as much from IPS (Ionides 2008).
    """

    effective: float
    largest: float
    clipped: float
    lost: float


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


def weighed(weights: Floats, clip: float) -> Weights:
    """How heavy n weights are, cut at `clip` (infinity = not at all)."""
    cut = np.maximum(weights - clip, 0.0)
    if not len(cut):
        return Weights(0.0, 0.0, 0.0, 0.0)
    return Weights(
        effective_rounds(np.minimum(weights, clip)),
        float(weights.max()),
        float((cut > 0).mean()),
        float(cut.mean()),
    )


def check_support(weights: Floats, users: NDArray[np.int64]) -> None:
    """Had the policy a chance in the log?

    Where each action of the policy was possible, weights are 1 on average. If they certainly are less, the policy does
    what the log never did, and nobody knows what that earns.

    Args:
        weights: [n], whole ones.
        users: [n], whose they are, from 0: those of one user are no independent witnesses.

    Raises:
        ConfigError: it had none.
    """
    mean = value("mean weight", weights, np.ones(len(weights)), users, SURE_ALPHA)
    if mean.high < LEAST_SUPPORT:
        raise ConfigError(
            f"the log has only {mean.value:.1%} of what the policy would do: the rest never had a chance",
            fix="explore among what the policy shows (`exploration.among`), or judge it in an experiment",
        )


def check_rounds(weights: Floats) -> None:
    """Does the log count enough rounds of the policy?

    Args:
        weights: [n], as they are used.

    Raises:
        ConfigError: fewer than LEAST_ROUNDS.
    """
    if (effective := effective_rounds(weights)) < LEAST_ROUNDS:
        raise ConfigError(
            f"{len(weights)} rounds say as much as {effective:.0f} of the policy itself: too few",
            fix="a longer log, more exploration, a policy that is nearer to the logged one, or `--clip`",
        )


def values(rounds: Rounds, switch: float = 10.0, clip: float = math.inf) -> Iterator[Value]:
    """All estimates of a policy, with intervals by users. Call `check_support` before.

    With v = min(w, clip):

    - `IPS`: mean of v r (Horvitz & Thompson 1952; clipped: Ionides 2008, "Truncated importance sampling", JCGS 17,
      eq. 2). Clipping takes mean (w - v) r from it: never too much where rewards are not negative.
    - `SNIPW`: sum of v r / sum of v (Swaminathan & Joachims 2015).
    - `DM`: mean of what the model says; biased as the model is, and its interval knows nothing of that.
    - `DR`: DM + mean of v (r - q) (Dudik, Langford & Li 2011; clipped, "pessimistic shrinkage": Su et al. 2020).
      Clipping takes mean (w - v) (r - q) from it: nothing where the model is right.
    - `SWITCH-DR`: DR of whole weights, with w = 0 where it is above `switch` (Wang, Agarwal & Dudik 2017).

    Args:
        rounds: of the log.
        switch: the weight above which the model alone is believed.
        clip: the largest weight of a round; infinity = weights are whole.

    Raises:
        ConfigError: the log cannot say (`check_rounds`).
    """
    w, r = rounds.weights, rounds.rewards
    v = np.minimum(w, clip)
    check_rounds(v)
    ones = np.ones(len(r))

    def corrected(weights: Floats) -> Floats:
        return rounds.of_policy + weights * (r - rounds.expected)

    yield clipped("IPS", (v * r, ones), (w * r, ones), rounds.users)
    yield clipped("SNIPW", (v * r, v), (w * r, w), rounds.users)
    yield value("DM", rounds.of_policy, ones, rounds.users)
    yield clipped("DR", (corrected(v), ones), (corrected(w), ones), rounds.users)
    yield value("SWITCH-DR", corrected(np.where(w <= switch, w, 0.0)), ones, rounds.users)


def clipped(
    estimator: str, ratio: tuple[Floats, Floats], whole: tuple[Floats, Floats], users: NDArray[np.int64]
) -> Value:
    """The value of a ratio of sums, and its bias against the ratio of whole weights."""
    found = value(estimator, *ratio, users)
    return found._replace(bias=found.value - value(estimator, *whole, users).value)


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
