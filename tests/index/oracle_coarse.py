"""Slow, obvious twins of the coarse kernels; whole-numbered inputs make the sums exact in both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def nearest(vectors: NDArray[np.float32], centroids: NDArray[np.float32], max_square: float) -> list[float]:
    """The squared distance of each vector, with its height, to the nearest centroid [n_lists, d + 1]."""
    lifted = lift(vectors, max_square)
    return [min(float(((x - c) ** 2).sum()) for c in centroids.astype(np.float64)) for x in lifted]


def lift(vectors: NDArray[np.float32], max_square: float) -> NDArray[np.float64]:
    """Vectors with their heights, [m, d + 1]."""
    heights = [max(max_square - float((x.astype(np.float64) ** 2).sum()), 0.0) ** 0.5 for x in vectors]
    return np.column_stack([vectors.astype(np.float64), heights])


def chosen(
    query: NDArray[np.float32],
    lists: Sequence[NDArray[np.float32]],
    spreads: Sequence[float],
    reach: float,
    enough: int,
) -> tuple[list[int], float]:
    """The lists [size, d] that a query scans, in order, and the threshold."""
    length = float(np.linalg.norm(query))
    filled = [j for j, each in enumerate(lists) if len(each)]
    mean = {j: float(lists[j].mean(axis=0) @ query) for j in filled}
    best_first = sorted(filled, key=lambda j: (-(mean[j] + 2 * length * spreads[j]), j))
    first: list[int] = []
    while best_first and sum(len(lists[j]) for j in first) < enough:
        first.append(best_first.pop(0))
    sizes = [len(lists[j]) for j in first]
    threshold = (
        float(np.average([mean[j] + length * spreads[j] for j in first], weights=sizes)) if first else 0.0
    )
    rest = sorted(j for j in best_first if mean[j] + reach * length * spreads[j] >= threshold)
    return first + rest, threshold


def settled(rows: Sequence[int], scores: Sequence[float]) -> list[tuple[int, float]]:
    """Best first, equal scores by row, (-1, -inf) last."""
    hits = sorted((-score, row) for row, score in zip(rows, scores, strict=True) if row >= 0)
    return [(row, -score) for score, row in hits] + [(-1, -np.inf)] * (len(rows) - len(hits))
