"""Shares of a bandit's arms: as probable as it is that each is the best, but a least share for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_rec.schemas.decisions import hash_of
from stream_rec.trials.estimates import Estimate

N_DRAWS = 10_000
DECIMALS = 4


def shares(arms: Sequence[Estimate], better: int, least: float, seed: str) -> tuple[float, ...]:
    """The share of the users that each arm gets next; together 1.

    Thompson sampling over users in bulk: an arm gets the probability that its mean is the best, each mean normal
    with the variance of its estimate (Thompson 1933, Biometrika 25; Chapelle & Li 2011, NIPS 24, batch updates).
    The least share keeps every arm measured, and propensities away from 0.

    Args:
        arms: what each has earned.
        better: 1 = more is better, -1 = less.
        least: each keeps so much; times the arms it is 1 at most.
        seed: of the draws.
    """
    means = np.array([better * arm.value for arm in arms])
    deviations = np.sqrt([max(arm.variance, 0.0) for arm in arms])
    random = np.random.default_rng(hash_of(seed))
    draws = means + deviations * random.standard_normal((N_DRAWS, len(arms)))
    best = np.bincount(draws.argmax(axis=1), minlength=len(arms)) / N_DRAWS
    found = np.round(least + (1.0 - least * len(arms)) * best, DECIMALS)
    found[found.argmax()] += 1.0 - found.sum()
    return tuple(np.round(found, DECIMALS).tolist())
