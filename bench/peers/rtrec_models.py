"""rtrec's SLIM, which learns interactions in batches by `partial_fit`."""

from __future__ import annotations

import numpy as np

from bench.peers.protocol import NOTHING, Ranking, Settings
from bench.peers.stream import Events, Query


class RtrecSlim:
    """`Recommender(SLIM(...))`. A batch that is not full yet is unknown to the model, as with the package.

    Settings:
        of: rows are `user`s or `session`s.
        batch: events of a `partial_fit`.
        nn_feature_selection, alpha, l1_ratio: of SLIM.
    """

    def __init__(self, settings: Settings) -> None:
        from rtrec.models import SLIM

        self._of: str = settings["of"]
        self._batch: int = settings["batch"]
        names = ("nn_feature_selection", "alpha", "l1_ratio")
        self._model = SLIM(**{name: settings[name] for name in names})
        self._waiting: list[tuple[int, int, float, float]] = []
        self._rows: set[int] = set()

    def learn(self, events: Events) -> None:
        """Fit a batch when it is full; an event without a value is worth 1."""
        for row, item, ts, value in zip(
            events.rows(self._of).tolist(),
            events.items.tolist(),
            events.ts.tolist(),
            np.nan_to_num(events.values, nan=1.0).tolist(),
            strict=True,
        ):
            self._waiting.append((row, item, ts, value))
            if len(self._waiting) == self._batch:
                # Recommender.partial_fit does this, and prints a line each time.
                self._model.fit(self._waiting, progress_bar=False)
                self._rows.update(each[0] for each in self._waiting)
                self._waiting = []

    def rank(self, query: Query) -> Ranking:
        """In the package's order; it tells no scores."""
        row = query.row(self._of)
        if row not in self._rows:
            return NOTHING
        left_out = set(query.left_out.tolist())
        # Its own filter knows the fitted items of the row only, and streams with repeats may list them.
        items = self._model.recommend(row, top_k=query.k + len(left_out), filter_interacted=False)
        return Ranking(np.array([item for item in items if item not in left_out][: query.k], np.int64), None)
