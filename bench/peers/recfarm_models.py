"""recfarm, the neighbourhood models in Rust behind LibRecommender's RsItemCF, RsUserCF and RsSwing.

Its `update_...` counts pairs within the new interactions alone, never one of a new and an old one, so an update does
not come to what a fit comes to; and it answers by what a row had at the last update.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from bench.peers.interactions import Interactions, Refits
from bench.peers.protocol import NOTHING, Ranking, Settings
from bench.peers.stream import Events, Query


class _Sparse(NamedTuple):
    """A matrix in the form that the package takes."""

    sparse_indices: list[int]
    sparse_indptr: list[int]
    sparse_data: list[float]

    @classmethod
    def of(cls, matrix: csr_matrix) -> _Sparse:
        matrix = matrix.sorted_indices()
        return cls(matrix.indices.tolist(), matrix.indptr.tolist(), matrix.data.tolist())


class Recfarm:
    """`ItemCF`, `UserCF` or `Swing`.

    Settings:
        model: as above.
        of: rows are `user`s or `session`s.
        near: neighbours that count (`k_sim`, `top_k`).
        refit_every: events; earlier when they have doubled.
        update_every: between fits, events of an update.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._of: str = settings["of"]
        self._seen, self._new = Interactions(), Interactions()
        self._refits = Refits(settings["refit_every"])
        self._model: Any = None

    def learn(self, events: Events) -> None:
        """Gather events; fit or update when it is time."""
        for row, item in zip(events.rows(self._of).tolist(), events.items.tolist(), strict=True):
            if item not in self._seen.items_of.get(row, ()):
                self._seen.add(row, item)
                self._new.add(row, item)
            if self._refits.due():
                self._fit()
            elif self._model is not None and self._refits.n % self._settings["update_every"] == 0:
                self._update()

    def _fit(self) -> None:
        import recfarm

        seen, model, near = self._seen, self._settings["model"], self._settings["near"]
        users, items = _both(seen, seen)
        common = (seen.n_rows, seen.n_items)
        if model == "Swing":
            self._model = recfarm.Swing(near, 1.0, 1_000_000, *common, users, items, {}, 0.0)
            self._model.compute_swing(1)
        else:
            make = recfarm.UserCF if model == "UserCF" else recfarm.ItemCF
            self._model = make("ranking", near, *common, 1, users, items, {}, 0.0)
            self._model.compute_similarities(True, 1)
        self._new = Interactions()

    def _update(self) -> None:
        self._model.n_users, self._model.n_items = self._seen.n_rows, self._seen.n_items
        users, items = _both(self._new, self._seen)
        if self._settings["model"] == "Swing":
            self._model.update_swing(1, users, items)
        else:
            self._model.update_similarities(users, items)
        self._new = Interactions()

    def rank(self, query: Query) -> Ranking:
        """In the package's order; it tells no scores, and lists nothing where the row has no neighbours yet."""
        if self._model is None:
            return NOTHING
        left_out = set(query.left_out.tolist())
        # Its own filter has what was handed over as `user_consumed`, not this query's items.
        (items,), _ = self._model.recommend([query.row(self._of)], query.k + len(left_out), False, False)
        return Ranking(np.array([item for item in items if item not in left_out][: query.k], np.int64), None)


def _both(of: Interactions, size: Interactions) -> tuple[_Sparse, _Sparse]:
    """The interactions by rows and by items, in matrices as large as the others need."""
    rows = of.of_rows(list(range(size.n_rows)), size.n_items)
    return _Sparse.of(rows), _Sparse.of(rows.T.tocsr())
