"""How evenly something is spread, and how different what one user is shown is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Amounts = NDArray[np.float64]


def gini(amounts: NDArray[np.float64] | NDArray[np.int64]) -> float:
    """Gini coefficient of n amounts, 0 = all alike; 0 as well where there is nothing to share.

    Half of the mean difference of two of them / their mean: Gini, "Measurement of Inequality of Incomes", 1921. Only
    what is above 0 is sorted.
    """
    n, some = len(amounts), np.sort(amounts[amounts > 0])
    if not len(some):
        return 0.0
    places = np.arange(n - len(some) + 1, n + 1)
    return float(2 * (places * some).sum() / (n * some.sum()) - (n + 1) / n)


def top_share(amounts: Amounts, share: float = 0.1) -> float:
    """Of the whole, what the largest tenth (or `share`) of n amounts have, one at least; 0 where there is nothing."""
    most, some = max(1, math.ceil(share * len(amounts))), amounts[amounts > 0]
    if not len(some):
        return 0.0
    if len(some) <= most:
        return 1.0
    return float(np.partition(some, len(some) - most)[len(some) - most :].sum() / some.sum())


def diversity(users: NDArray[np.int64], kinds: NDArray[np.int64], weights: Amounts) -> Amounts:
    """Of each user, the chance that two draws from what was shown are of different kinds: 1 - sum p^2.

    Simpson (1949, "Measurement of Diversity", Nature 163), with draws put back: 0 = all of one kind.

    Args:
        users: [m], numbers from 0.
        kinds: [m], numbers from 0.
        weights: [m], above 0.

    Returns:
        float64 [users]; NaN of those who were shown nothing.
    """
    n_users = int(users.max()) + 1 if len(users) else 0
    n_kinds = int(kinds.max()) + 1 if len(kinds) else 1
    pairs, at = np.unique(users * n_kinds + kinds, return_inverse=True)
    of_pair = np.bincount(at, weights, len(pairs))
    whole = np.bincount(users, weights, n_users)
    squares = np.bincount(pairs // n_kinds, of_pair**2, n_users)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(whole > 0, 1 - squares / whole**2, np.nan))
