"""Shrunk cosines, recounted from all histories."""

from __future__ import annotations

import itertools
import math
from collections import Counter

Pair = tuple[int, int]


def recount(histories: list[list[int]]) -> tuple[Counter[Pair], Counter[int]]:
    """n_ij: users with both items (both ways); n_i: users with the item."""
    pairs: Counter[Pair] = Counter()
    degree: Counter[int] = Counter()
    for history in histories:
        items = sorted(set(history))
        degree.update(items)
        pairs.update(itertools.permutations(items, 2))
    return pairs, degree


def scores(pairs: Counter[Pair], degree: Counter[int], history: list[int], shrink: float) -> dict[int, float]:
    """Sum over the items of a history of n_ij / (sqrt(n_i n_j) + shrink), Deshpande and Karypis, 2004."""
    total: dict[int, float] = {}
    for (i, j), n in pairs.items():
        if i in history:
            total[j] = total.get(j, 0.0) + n / (math.sqrt(degree[i] * degree[j]) + shrink)
    return total
