"""implicit: models of batches, kept up to date by what the package offers for that.

Both are fitted anew on everything so far when the events have doubled, and at the latest every `refit_every` events.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.peers.interactions import Interactions, Refits
from bench.peers.protocol import NOTHING, Ranking, Settings
from bench.peers.stream import Events, Query

SEED = 42


class Als:
    """AlternatingLeastSquares. At `recommend` the row is folded in anew (`recalculate_user`) with all its items so far.

    Settings:
        of: rows are `user`s or `session`s.
        factors, regularization, alpha, iterations: the package's.
        refit_every: events, see above.
        partial_every: after so many events `partial_fit_users`, then `partial_fit_items` for those that had any.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._of: str = settings["of"]
        self._seen = Interactions()
        self._model: Any = None
        self._refits = Refits(settings["refit_every"])
        self._rows: dict[int, None] = {}
        self._items: dict[int, None] = {}

    def learn(self, events: Events) -> None:
        """Gather events; fit when it is time."""
        for row, item in zip(events.rows(self._of).tolist(), events.items.tolist(), strict=True):
            self._seen.add(row, item)
            self._rows[row] = self._items[item] = None
            if self._refits.due():
                self._fit()
            elif self._model is not None and self._refits.n % self._settings["partial_every"] == 0:
                self._fit_partially()

    def _fit(self) -> None:
        from implicit.cpu.als import AlternatingLeastSquares

        self._model = AlternatingLeastSquares(
            num_threads=1, random_state=SEED, **_chosen(self._settings, "regularization", "alpha")
        )
        self._model.fit(self._seen.matrix(), show_progress=False)
        self._rows, self._items = {}, {}

    def _fit_partially(self) -> None:
        model, rows, items = self._model, list(self._rows), list(self._items)
        model.partial_fit_users(rows, self._seen.of_rows(rows, len(model.item_factors)))
        model.partial_fit_items(items, self._seen.of_items(items, len(model.user_factors)))
        self._rows, self._items = {}, {}

    def rank(self, query: Query) -> Ranking:
        """Items that came after the last fit, full or partial, are not listed."""
        row = query.row(self._of)
        if self._model is None or row not in self._seen.items_of:
            return NOTHING
        n_items = len(self._model.item_factors)
        items, scores = self._model.recommend(
            row,
            self._seen.of_rows([row], n_items),
            N=min(query.k, n_items),
            filter_already_liked_items=False,
            filter_items=_filter(query.left_out, n_items),
            recalculate_user=True,
        )
        return _ranking(items, scores)


class Bpr:
    """BayesianPersonalizedRanking, which can only be fitted anew: a row unknown to the last fit asks by its last item.

    Settings:
        of: rows are `user`s or `session`s.
        factors, learning_rate, regularization, iterations: the package's.
        refit_every: events, see above.
        by_item: always ask `similar_items` of the row's last item.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._of: str = settings["of"]
        self._seen = Interactions()
        self._last: dict[int, int] = {}
        self._model: Any = None
        self._refits = Refits(settings["refit_every"])

    def learn(self, events: Events) -> None:
        """Gather events; fit when it is time."""
        for row, item in zip(events.rows(self._of).tolist(), events.items.tolist(), strict=True):
            self._seen.add(row, item)
            self._last[row] = item
            if self._refits.due():
                self._fit()

    def _fit(self) -> None:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        self._model = BayesianPersonalizedRanking(
            num_threads=1, random_state=SEED, **_chosen(self._settings, "regularization", "learning_rate")
        )
        self._model.fit(self._seen.matrix(), show_progress=False)

    def rank(self, query: Query) -> Ranking:
        """Nothing for rows whose last item is unknown to the last fit too."""
        row = query.row(self._of)
        if self._model is None or row not in self._last:
            return NOTHING
        n_items, last = len(self._model.item_factors), self._last[row]
        left_out = _filter(query.left_out, n_items)
        k = min(query.k, n_items)
        if row < len(self._model.user_factors) and not self._settings["by_item"]:
            return _ranking(
                *self._model.recommend(
                    row, None, N=k, filter_already_liked_items=False, filter_items=left_out
                )
            )
        if last >= n_items:
            return NOTHING
        return _ranking(*self._model.similar_items(last, N=k, filter_items=left_out))


def _chosen(settings: Settings, *names: str) -> dict[str, Any]:
    return {name: settings[name] for name in ("factors", "iterations", *names)}


def _filter(left_out: NDArray[np.int32], n_items: int) -> NDArray[np.int32] | None:
    known = left_out[left_out < n_items]
    return known if len(known) else None


def _ranking(items: NDArray[Any], scores: NDArray[Any]) -> Ranking:
    """What implicit filters out it still lists, with the lowest of all floats."""
    listed = (scores > np.finfo(np.float32).min) & (items >= 0)
    return Ranking(items[listed], scores[listed])
