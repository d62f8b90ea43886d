"""implicit: models of batches, kept up to date by what the package offers for that.

Both are fitted anew on everything so far when the events have doubled, and at the latest every `refit_every` events.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from bench.peers.protocol import NOTHING, Ranking, Settings
from bench.peers.stream import Events, Query

SEED = 42
FIRST_FIT = 500


class Interactions:
    """Who had what so far; a pair counts once."""

    def __init__(self) -> None:
        self.items_of: dict[int, dict[int, None]] = {}
        self.rows_of: dict[int, dict[int, None]] = {}
        self.n_rows = 0
        self.n_items = 0

    def add(self, row: int, item: int) -> None:
        """One event."""
        self.items_of.setdefault(row, {})[item] = None
        self.rows_of.setdefault(item, {})[row] = None
        self.n_rows = max(self.n_rows, row + 1)
        self.n_items = max(self.n_items, item + 1)

    def matrix(self) -> csr_matrix:
        """Rows by items."""
        return _rows(self.items_of, range(self.n_rows), self.n_items)

    def of_rows(self, rows: list[int], n_items: int) -> csr_matrix:
        """Some rows; items beyond n_items are not there."""
        return _rows(self.items_of, rows, n_items)

    def of_items(self, items: list[int], n_rows: int) -> csr_matrix:
        """The same the other way round."""
        return _rows(self.rows_of, items, n_rows)


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
        self._n, self._next_fit = 0, FIRST_FIT
        self._rows: dict[int, None] = {}
        self._items: dict[int, None] = {}

    def learn(self, events: Events) -> None:
        """Gather events; fit when it is time."""
        for row, item in zip(events.rows(self._of).tolist(), events.items.tolist(), strict=True):
            self._seen.add(row, item)
            self._rows[row] = self._items[item] = None
            self._n += 1
            if self._n == self._next_fit:
                self._fit()
            elif self._model is not None and self._n % self._settings["partial_every"] == 0:
                self._fit_partially()

    def _fit(self) -> None:
        from implicit.cpu.als import AlternatingLeastSquares

        self._next_fit += min(self._n, self._settings["refit_every"])
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
        self._n, self._next_fit = 0, FIRST_FIT

    def learn(self, events: Events) -> None:
        """Gather events; fit when it is time."""
        for row, item in zip(events.rows(self._of).tolist(), events.items.tolist(), strict=True):
            self._seen.add(row, item)
            self._last[row] = item
            self._n += 1
            if self._n == self._next_fit:
                self._fit()

    def _fit(self) -> None:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        self._next_fit += min(self._n, self._settings["refit_every"])
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


def _rows(of: dict[int, dict[int, None]], rows: Any, n_columns: int) -> csr_matrix:
    """Rows of a sparse matrix of ones."""
    columns = [[at for at in of.get(row, ()) if at < n_columns] for row in rows]
    ends = np.cumsum([0, *(len(each) for each in columns)])
    indices = np.fromiter((at for each in columns for at in each), np.int32, int(ends[-1]))
    return csr_matrix((np.ones(len(indices), np.float32), indices, ends), shape=(len(columns), n_columns))


def _chosen(settings: Settings, *names: str) -> dict[str, Any]:
    return {name: settings[name] for name in ("factors", "iterations", *names)}


def _filter(left_out: NDArray[np.int32], n_items: int) -> NDArray[np.int32] | None:
    known = left_out[left_out < n_items]
    return known if len(known) else None


def _ranking(items: NDArray[Any], scores: NDArray[Any]) -> Ranking:
    """What implicit filters out it still lists, with the lowest of all floats."""
    listed = (scores > np.finfo(np.float32).min) & (items >= 0)
    return Ranking(items[listed], scores[listed])
