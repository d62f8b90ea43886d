"""Item factors and queries of the kinds that learning makes, seeded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class World(NamedTuple):
    """Factors [n, d] of items, and what users ask with [m, d]."""

    items: NDArray[np.float32]
    queries: NDArray[np.float32]


def clustered(n: int = 20_000, d: int = 32, *, seed: int = 7) -> World:
    """Items in groups of unequal size that overlap, longer where more popular; users between some groups."""
    random = np.random.default_rng(seed)
    n_groups = 200
    centres = random.normal(size=(n_groups, d))
    group = np.minimum(random.exponential(n_groups / 4, size=n).astype(int), n_groups - 1)
    lengths = random.gamma(8.0, 1 / 8.0, size=(n, 1))
    items = lengths * (centres[group] + 0.8 * random.normal(size=(n, d)))
    liked = random.integers(n, size=(300, 5))
    queries = items[liked].mean(axis=1) + 0.2 * random.normal(size=(300, d))
    return World(items.astype(np.float32), queries.astype(np.float32))


def skewed(n: int = 20_000, d: int = 32, *, seed: int = 8) -> World:
    """Lengths over two orders of magnitude: where the choice of lists by angle finds little."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(200, d))
    items = centres[random.integers(200, size=n)] + 0.5 * random.normal(size=(n, d))
    items *= np.exp(0.7 * random.normal(size=(n, 1))) / np.linalg.norm(items, axis=1, keepdims=True)
    queries = centres[random.integers(200, size=300)] + 0.7 * random.normal(size=(300, d))
    return World(items.astype(np.float32), queries.astype(np.float32))


def true_rows(items: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Brute force: the k rows with the greatest inner products, [n, k]."""
    return np.argsort(-(queries.astype(np.float64) @ items.T.astype(np.float64)), axis=1)[:, :k]


def recall(found: NDArray[np.int32], truth: NDArray[np.int64]) -> float:
    """Share of the true rows that were found, mean over the queries."""
    pairs = zip(found, truth, strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in pairs]))
