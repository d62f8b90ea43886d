"""Figures that need the slates themselves: coverage, novelty, diversity, popularity, and the rest of the session."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

from stream_rec.feedback.exposure import gini
from stream_rec.offline.evaluate.tiers import TIERS


class SlateFigures:
    """Sums over slates of k places; items are numbers from 0.

    Args:
        k: length of a full slate.
        tiers: int8 [items], places in `tiers.TIERS`.
    """

    def __init__(self, k: int, tiers: NDArray[np.int8]) -> None:
        self._k = k
        self._tiers = tiers
        self._counts = np.zeros(len(tiers), np.int64)
        self._shown = np.zeros(len(tiers), np.int64)
        self._miscalibration: list[float] = []
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
        self._shown[items] += 1
        counts = np.maximum(self._counts[items], 1)
        self._add("novelty", -float(np.log2(counts / self._counts.sum()).sum()), len(items))
        self._add("popularity_share", float((counts / self._counts.max()).sum()), len(items))
        if len(items) > 1:
            self._add("diversity", 1.0 - _mean_cosine(factors), 1)

    def add_past(self, items: NDArray[np.int32], past: NDArray[np.int64]) -> None:
        """The same slate against what its user has had: how many events of each tier."""
        if len(items) and past.any():
            shown = np.bincount(self._tiers[items], minlength=len(TIERS))
            self._miscalibration.append(float(jensenshannon(past, shown, base=2)) ** 2)

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
        - `gini`: of how often each learned item stood in a slate: 0 = all alike, near 1 = few items have it all.
        - `miscalibration`: Jensen-Shannon divergence, bits, between the tiers of the user's past and the slate's.
        - `novelty`: bits, -log2(the item's share of all events learned before).
        - `popularity_share`: the item's events / the events of the most frequent item.
        - `diversity`: 1 - cosine of two items' factors, mean over the pairs of a slate.
        - `rest_recall`, `rest_precision`, `rest_map`: against all items of the rest of the session.

        What no slate had a say in is left out, e.g. diversity where slates have one place.
        """
        k, n_learned = self._k, int(np.count_nonzero(self._counts))
        out: dict[str, float] = {}
        if n_learned:
            shown = self._shown[self._counts > 0]
            out |= {f"coverage@{k}": np.count_nonzero(shown) / n_learned, f"gini@{k}": gini(shown)}
        if self._miscalibration:
            out[f"miscalibration@{k}"] = float(np.mean(self._miscalibration))
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
