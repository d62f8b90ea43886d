"""flurs: matrix factorisations that learn event by event.

Its UserKNN is not run: it goes over all users and all items in Python for every event.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.peers.protocol import NOTHING, Ranking, Settings
from bench.peers.stream import Events, Query

SEED = 42


class FlursModel:
    """`MFRecommender` (Vinagre et al. 2014) or `BPRMFRecommender`.

    Settings:
        model: `MF` or `BPRMF`.
        of: rows are `user`s or `session`s.
        k, l2_reg, learn_rate: the package's.
    """

    def __init__(self, settings: Settings) -> None:
        from flurs.recommender import BPRMFRecommender, MFRecommender

        np.random.seed(SEED)  # flurs draws from the global generator
        self._pairwise = settings["model"] == "BPRMF"
        make = BPRMFRecommender if self._pairwise else MFRecommender
        self._of: str = settings["of"]
        self._model: Any = make(**{name: settings[name] for name in ("k", "l2_reg", "learn_rate")})
        self._model.initialize()

    def learn(self, events: Events) -> None:
        """Register whoever and whatever is new, and update, as flurs's own evaluator does."""
        from flurs.data.entity import Event, Item, User

        model = self._model
        for row, item in zip(events.rows(self._of).tolist(), events.items.tolist(), strict=True):
            user, thing = User(row), Item(item)
            if model.is_new_user(row):
                model.register(user)
            if model.is_new_item(item):
                model.register(thing)
            known = model.users[row]["known_items"]
            known.add(item)
            if self._pairwise and len(known) == model.n_item:
                continue  # nothing to draw a negative from
            model.update(Event(user, thing, 1.0))

    def rank(self, query: Query) -> Ranking:
        """All candidates are sorted, as the package does; MF's scores are distances from 1."""
        from flurs.data.entity import User

        row = query.row(self._of)
        if self._model.is_new_user(row):
            return NOTHING
        candidates = np.setdiff1d(np.arange(self._model.n_item), query.left_out, assume_unique=True)
        items, scores = self._model.recommend(User(row), candidates)
        return Ranking(items[: query.k], (scores if self._pairwise else -scores)[: query.k])
