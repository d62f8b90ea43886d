"""Figures that need the slates themselves: coverage, novelty, diversity, popularity, and the rest of the session."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from numpy.typing import NDArray


class SlateFigures:
    """Sums over slates of k places; items are numbers from 0.

    Args:
        n_items: numbers of items.
        k: length of a full slate.
    """

    def __init__(self, n_items: int, k: int) -> None:
        self._k = k
        self._counts = np.zeros(n_items, np.int64)
        self._shown = np.zeros(n_items, np.bool_)
        self._sums = {"novelty": 0.0, "popularity_share": 0.0, "diversity": 0.0}
        self._n = dict.fromkeys(self._sums, 0)
        self._rest = np.zeros(3)
        self._n_rest = 0

    def learned(self, items: NDArray[np.int32]) -> None:
        """These events were learned."""
        np.add.at(self._counts, items, 1)

    def add(self, items: NDArray[np.int32], factors: NDArray[np.float32]) -> None:
        """A slate.

        Args:
            items: numbers, best first; at most k.
            factors: [len(items), F], the items' factors.
        """
        if not len(items) or not self._counts.any():
            return
        self._shown[items] = True
        counts = np.maximum(self._counts[items], 1)
        self._add("novelty", -float(np.log2(counts / self._counts.sum()).sum()), len(items))
        self._add("popularity_share", float((counts / self._counts.max()).sum()), len(items))
        if len(items) > 1:
            self._add("diversity", 1.0 - _mean_cosine(factors), 1)

    def add_rest(self, items: NDArray[np.int32], rest: Set[int]) -> None:
        """The same slate against all items that came in the rest of the session, not only the next."""
        hits = np.array([item in rest for item in items.tolist()])
        found = hits.sum()
        at_hits = np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1)
        self._rest += (found / len(rest), found / self._k, at_hits.sum() / min(self._k, len(rest)))
        self._n_rest += 1

    def _add(self, name: str, total: float, n: int) -> None:
        self._sums[name] += total
        self._n[name] += n

    def figures(self) -> dict[str, float]:
        """Means over all places (coverage: of the learned items; diversity and the rest: over all slates).

        - `coverage`: share of the learned items that stood in any slate.
        - `novelty`: bits, -log2(the item's share of all events learned before).
        - `popularity_share`: the item's events / the events of the most frequent item.
        - `diversity`: 1 - cosine of two items' factors, mean over the pairs of a slate.
        - `rest_recall`, `rest_precision`, `rest_map`: against all items of the rest of the session.

        What no slate had a say in is left out, e.g. diversity where slates have one place.
        """
        k, n_learned = self._k, int(np.count_nonzero(self._counts))
        out = (
            {f"coverage@{k}": float((self._shown & (self._counts > 0)).sum()) / n_learned}
            if n_learned
            else {}
        )
        out |= {f"{name}@{k}": self._sums[name] / n for name, n in self._n.items() if n}
        if self._n_rest:
            names = ("rest_recall", "rest_precision", "rest_map")
            means = (self._rest / self._n_rest).tolist()
            out |= {f"{name}@{k}": mean for name, mean in zip(names, means, strict=True)}
        return out


def _mean_cosine(factors: NDArray[np.float32]) -> float:
    """Over all pairs of different rows; a row of zeros is at a right angle to every other."""
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    unit = factors / np.maximum(lengths, 1e-12)
    n = len(unit)
    return float(((unit.sum(axis=0) ** 2).sum() - (unit**2).sum()) / (n * (n - 1)))
