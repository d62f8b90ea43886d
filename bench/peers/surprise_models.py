"""Surprise, which predicts ratings and is fitted in batches; here asked for the items that it would rate highest.

A log without ratings is learned as people do who have none: a pair's rating is how often it occurred.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.peers.interactions import Refits
from bench.peers.protocol import NOTHING, Ranking, Settings
from bench.peers.stream import Events, Query
from bench.peers.top import top

SEED = 42
MOST_ITEMS = 8_000
"""KNNBaseline holds several matrices of items x items, float64: half a gigabyte each at this number."""


class SurpriseModel:
    """`SVD`, `SVDpp` or `KNNBaseline`, fitted anew on everything so far.

    Settings:
        model: as above.
        of: rows are `user`s or `session`s.
        target: `value` (the pair's last rating) or `count` (its events so far).
        refit_every: events; earlier when they have doubled.
        other names: the package's.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._of: str = settings["of"]
        self._counts: bool = settings["target"] == "count"
        self._ratings: dict[tuple[int, int], float] = {}
        self._refits = Refits(settings["refit_every"])
        self._fitted: Fitted | None = None

    def learn(self, events: Events) -> None:
        """Gather ratings; fit when it is time."""
        for row, item, value in zip(
            events.rows(self._of).tolist(), events.items.tolist(), events.values.tolist(), strict=True
        ):
            pair = (row, item)
            self._ratings[pair] = self._ratings.get(pair, 0.0) + 1.0 if self._counts else value
            if self._refits.due():
                self._fitted = Fitted(self._settings, self._ratings)

    def rank(self, query: Query) -> Ranking:
        """All items of the last fit; a row unknown to it is told them by their biases, as the package does."""
        if self._fitted is None:
            return NOTHING
        return top(self._fitted.scores(query.row(self._of)), query.left_out, query.k)


class Fitted:
    """An algorithm fitted on the ratings of (row, item), and our numbers for its inner ones."""

    def __init__(self, settings: Settings, ratings: dict[tuple[int, int], float]) -> None:
        import pandas as pd
        from surprise import Dataset, Reader

        values = ratings.values()
        frame = pd.DataFrame([(row, item, value) for (row, item), value in ratings.items()])
        reader = Reader(rating_scale=(min(values), max(values)))
        self._known = Dataset.load_from_df(frame, reader).build_full_trainset()
        self._by_neighbours = settings["model"] == "KNNBaseline"
        if self._by_neighbours and self._known.n_items > MOST_ITEMS:
            raise MemoryError(f"{self._known.n_items} items are too many for matrices of items x items")
        self._algorithm = _algorithm(settings).fit(self._known)
        self._items = np.array([self._known.to_raw_iid(i) for i in range(self._known.n_items)])

    def expect(self, row: int, item: int) -> float:
        """The package's estimate, within the range of the ratings; means and biases where somebody is unknown."""
        return float(self._algorithm.predict(row, item).est)

    def scores(self, row: int) -> NDArray[np.float64]:
        """[items], -inf where not fitted: `estimate` of all items less what is equal for all, in one step."""
        try:
            inner = self._known.to_inner_uid(row)
        except ValueError:
            inner = None
        found = self._algorithm.bi.copy()
        if inner is not None:
            found += self._neighbours(inner) if self._by_neighbours else self._factors(inner)
        out = np.full(int(self._items.max()) + 1, -np.inf)
        out[self._items] = found
        return out

    def _factors(self, row: int) -> NDArray[np.float64]:
        model = self._algorithm
        mine = model.pu[row]
        if hasattr(model, "yj"):
            rated = [item for item, _ in self._known.ur[row]]
            mine = mine + model.yj[rated].sum(axis=0) / np.sqrt(len(rated))
        found: NDArray[np.float64] = model.qi @ mine
        return found

    def _neighbours(self, row: int) -> NDArray[np.float64]:
        """The mean distance of the row's ratings from their baselines, weighed by positive similarity."""
        model = self._algorithm
        rated, values = (np.array(column) for column in zip(*self._known.ur[row], strict=True))
        near = model.sim[:, rated]
        if len(rated) > model.k:
            least = np.partition(near, -model.k, axis=1)[:, [-model.k]]
            near = np.where(near >= least, near, 0.0)
        near = np.maximum(near, 0.0)
        beyond = values - (self._known.global_mean + model.bu[row] + model.bi[rated])
        weights = near.sum(axis=1)
        found: NDArray[np.float64] = near @ beyond / np.where(weights > 0.0, weights, 1.0)
        return found


def _algorithm(settings: Settings) -> Any:
    from surprise import SVD, KNNBaseline, SVDpp

    own = {
        name: value
        for name, value in settings.items()
        if name not in ("model", "of", "target", "refit_every")
    }
    if settings["model"] == "KNNBaseline":
        # Counts are often all alike, and pearson_baseline divides by how far ratings are from their baselines.
        similarity = "cosine" if settings.get("target") == "count" else "pearson_baseline"
        return KNNBaseline(sim_options={"name": similarity, "user_based": False}, verbose=False, **own)
    return {"SVD": SVD, "SVDpp": SVDpp}[settings["model"]](random_state=SEED, **own)
