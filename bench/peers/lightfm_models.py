"""LightFM (Kula 2015) without features of users and items, in the fork that builds on today's Python.

It can only be fitted anew for rows and items that it has not seen: a row unknown to the last fit asks by its last item.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.peers.interactions import Interactions, Refits
from bench.peers.protocol import NOTHING, Ranking, Settings
from bench.peers.stream import Events, Query
from bench.peers.top import top

SEED = 42


class LightFm:
    """`LightFM`, fitted anew on everything so far when the events have doubled, at the latest every `refit_every`.

    Settings:
        of: rows are `user`s or `session`s.
        loss, no_components, learning_rate, epochs: the package's.
        refit_every: events, see above.
        by_item: always ask for what is near the row's last item, by the cosine of the factors.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._of: str = settings["of"]
        self._seen = Interactions()
        self._last: dict[int, int] = {}
        self._refits = Refits(settings["refit_every"])
        self._rows: NDArray[np.float32] | None = None
        self._items = np.zeros((0, 0), np.float32)
        self._biases = np.zeros(0, np.float32)

    def learn(self, events: Events) -> None:
        """Gather events; fit when it is time."""
        for row, item in zip(events.rows(self._of).tolist(), events.items.tolist(), strict=True):
            self._seen.add(row, item)
            self._last[row] = item
            if self._refits.due():
                self._fit()

    def _fit(self) -> None:
        from lightfm import LightFM

        names = ("loss", "no_components", "learning_rate")
        model = LightFM(random_state=SEED, **{name: self._settings[name] for name in names})
        model.fit(self._seen.matrix(), epochs=self._settings["epochs"], num_threads=1)
        _, self._rows = model.get_user_representations()
        self._biases, self._items = model.get_item_representations()

    def rank(self, query: Query) -> Ranking:
        """Nothing for rows whose last item is unknown to the last fit too; `predict`'s order, all items at once."""
        row = query.row(self._of)
        if self._rows is None or row not in self._last:
            return NOTHING
        if row < len(self._rows) and not self._settings["by_item"]:
            return top(self._items @ self._rows[row] + self._biases, query.left_out, query.k)
        last = self._last[row]
        if last >= len(self._items):
            return NOTHING
        sizes = np.linalg.norm(self._items, axis=1)
        return top(self._items @ self._items[last] / np.maximum(sizes, 1e-12), query.left_out, query.k)
