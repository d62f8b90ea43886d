"""Any `river.reco` model as a source of evidence (off by default: `engine.river_sources`).

The model scores the candidates that the other sources found; its score, standardised over the list, is one more feature
for the ranker. It learns from every event after it was judged: the event's value if it has one, else 1, and 0 for one
item drawn from the recent events.

River's models insert a random vector for every id that they are asked about; so only users and items that the model
has learned from are asked for, and ids are the engine's rows, which are bounded and used again.

Not guaranteed: river's state is in no digest and no snapshot, and Python's speed is what it is (about 30 us per event
and 300 per judged event and model).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.errors import ConfigError


def _model(name: str, seed: int) -> Any:
    from river import reco  # heavy, and seldom wanted

    models = {each: getattr(reco, each) for each in reco.__all__ if hasattr(getattr(reco, each), "learn_one")}
    if name not in models:
        raise ConfigError(
            f"engine.river_sources names {name!r}, which is no model of river.reco",
            fix=f"choose among {', '.join(sorted(models))}",
        )
    return models[name](seed=seed)


class RiverSource:
    """One model of river.reco.

    Args:
        name: its class, e.g. `BiasedMF`.
        n_users: bound of the user rows.
        n_items: bound of the item rows.
        seed: of its random initial vectors.

    Raises:
        ConfigError: river has no such model.
    """

    def __init__(self, name: str, n_users: int, n_items: int, seed: int) -> None:
        self.name = f"river_{name}"
        self._model = _model(name, seed)
        self._users = np.zeros(n_users, np.bool_)
        self._items = np.zeros(n_items, np.bool_)

    def learn(self, user: int, item: int, y: float) -> None:
        """One observation of a user row and an item row."""
        self._model.learn_one(user=user, item=item, y=y)
        self._users[user] = True
        self._items[item] = True

    def score(self, user: int, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """Float32 [n], standardised over the known items; 0 for unknown ones, and for all if the user is unknown.

        Scoring never writes.
        """
        scores = np.zeros(len(items), np.float32)
        known = np.flatnonzero(self._items[items])
        if user < 0 or not self._users[user] or len(known) < 2:
            return scores
        raw = np.array([self._model.predict_one(user=user, item=item) for item in items[known].tolist()])
        scores[known] = (raw - raw.mean()) / (raw.std() + 1e-6)
        return scores
