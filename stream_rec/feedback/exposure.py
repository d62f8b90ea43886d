"""How evenly something is spread, and how different what one user is shown is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Amounts = NDArray[np.float64]


def gini(amounts: NDArray[np.float64] | NDArray[np.int64]) -> float:
    """Gini coefficient of n amounts, 0 = all alike; 0 as well where there is nothing to share.

    Half of the mean difference of two of them / their mean: Gini, "Measurement of Inequality of Incomes", 1921.
    """
    n, total = len(amounts), amounts.sum()
    if not total:
        return 0.0
    places = np.arange(1, n + 1)
    return float(2 * (places * np.sort(amounts)).sum() / (n * total) - (n + 1) / n)


def top_share(amounts: Amounts, share: float = 0.1) -> float:
    """Of the whole, what the largest tenth (or `share`) of n amounts have, one at least; 0 where there is nothing."""
    n, total = len(amounts), amounts.sum()
    if not total:
        return 0.0
    most = max(1, math.ceil(share * n))
    return float(np.partition(amounts, n - most)[n - most :].sum() / total)


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
