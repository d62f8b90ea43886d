"""The models of river.reco, which score one pair of user and item at a time."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from bench.peers.protocol import NOTHING, Ranking, Settings
from bench.peers.stream import Events, Query
from bench.peers.top import top

SEED = 42


class RiverModel:
    """A model of river.reco; its catalogue is every item that it has learned from.

    Settings:
        model: `Baseline`, `FunkMF` or `BiasedMF`.
        of: rows are `user`s or `session`s.
        target: `value` (of the event) or `clicks`: 1, and 0 for another item, which is drawn.
        drawn: from the different `items` so far, or from the `events` (so that popular ones are drawn more often).
        rate: of SGD.
        factors: of the models that have them.
    """

    def __init__(self, settings: Settings) -> None:
        self._of: str = settings["of"]
        self._by_value = settings["target"] == "value"
        self._from_events = settings.get("drawn") == "events"
        self._model = _model(settings)
        self._rows: set[int] = set()
        self._items: list[int] = []
        self._known: set[int] = set()
        self._log: list[int] = []
        self._random = random.Random(SEED)

    def learn(self, events: Events) -> None:
        """Event by event, as river does."""
        for row, item, value in zip(
            events.rows(self._of).tolist(), events.items.tolist(), events.values.tolist(), strict=True
        ):
            if item not in self._known:
                self._known.add(item)
                self._items.append(item)
            self._rows.add(row)
            self._log.append(item)
            self._model.learn_one(row, item, value if self._by_value else 1.0)
            if self._by_value:
                continue
            other = self._random.choice(self._log if self._from_events else self._items)
            if other != item:
                self._model.learn_one(row, other, 0.0)

    def rank(self, query: Query) -> Ranking:
        """A row that was never learned has no answer: to ask for one would write it into the model."""
        row = query.row(self._of)
        if row not in self._rows:
            return NOTHING
        predict = self._model.predict_one
        scores = np.full(max(self._items) + 1, -np.inf)
        scores[self._items] = [predict(row, item) for item in self._items]
        return top(scores, query.left_out, query.k)


def _model(settings: Settings) -> Any:
    from river import optim, reco

    rate = settings["rate"]
    if settings["model"] == "Baseline":
        return reco.Baseline(optimizer=optim.SGD(rate), seed=SEED)
    if settings["model"] == "FunkMF":
        return reco.FunkMF(n_factors=settings["factors"], optimizer=optim.SGD(rate), l2=0.01, seed=SEED)
    return reco.BiasedMF(
        n_factors=settings["factors"],
        bias_optimizer=optim.SGD(rate),
        latent_optimizer=optim.SGD(rate),
        l2_latent=0.01,
        seed=SEED,
    )
