"""The value of a policy of whole slates: cascade-DR, which knows that a place depends on those before it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rec.trials.off_policy.values import Floats, Value, check_rounds, check_support, clipped


@dataclass(frozen=True, slots=True)
class Slates:
    """n logged slates of k places. All conditional chances are given what stands before a place.

    Attributes:
        rewards: [n, k].
        ratios: [n, k]: by place, pi(a | x, before) / propensity of the logged item.
        expected: [n, k]: Q, the reward of the place and of all after it, under the policy, given the items up to the
            place.
        of_policy: [n, k]: the mean of Q over the policy's choices for the place, given those before it.
        users: [n], from 0.
    """

    rewards: Floats
    ratios: Floats
    expected: Floats
    of_policy: Floats
    users: NDArray[np.int64]


def cascade_dr(slates: Slates, clip: float = math.inf) -> Value:
    """What a slate of the policy earns.

    Cascade-DR (Kiyohara, Saito, Matsuhiro, Narita, Shimizu & Yamamoto 2022, "Doubly Robust Off-Policy Evaluation for
    Ranking Policies under the Cascade Behavior Model", WSDM, eq. 12), with w_k the product of the ratios up to place k:

    mean over slates of sum over k of w_k (r_k - Q_k) + w_{k-1} E_pi[Q_k].

    Unbiased if users look from the top down and propensities are right, whatever Q is; with Q = 0 it is RIPS (McInerney
    et al. 2020, KDD). With every w_k cut at `clip` it is biased, but where Q is right: what is left of the w_k is the
    same in both terms, so they cancel.

    Args:
        slates: of the log.
        clip: the largest w_k; infinity = they are whole.

    Raises:
        ConfigError: the log cannot say (`check_support`, `check_rounds`, of the weights of whole slates).
    """
    of_slates = weights_of_slates(slates)
    check_support(of_slates, slates.users)
    check_rounds(np.minimum(of_slates, clip))
    ones = np.ones(len(of_slates))
    cut, whole = (terms(slates, at).sum(axis=1) for at in (clip, math.inf))
    return clipped("cascade-DR", (cut, ones), (whole, ones), slates.users)


def weights_of_slates(slates: Slates) -> Floats:
    """[n]: how much likelier the policy would have shown the whole slate."""
    weights: Floats = np.prod(slates.ratios, axis=1)
    return weights


def terms(slates: Slates, clip: float = math.inf) -> Floats:
    """[n, k]: what each place of each slate adds."""
    weights: Floats = np.minimum(np.cumprod(slates.ratios, axis=1), clip)
    before = np.column_stack([np.ones(len(weights)), weights[:, :-1]])
    return weights * (slates.rewards - slates.expected) + before * slates.of_policy
