"""What an item earns in a place: the model behind DM and DR, from the log itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec.trials.off_policy.values import Floats

PRIOR = 20.0
"""As if each item had been in each place so often, with the place's mean reward."""
FOLDS = 2


class Means:
    """Mean rewards by item and place, drawn to the place's mean where an item was seldom there.

    Of users in each of two folds, a model of their own: nobody's reward is explained by a model that has seen it
    (Chernozhukov et al. 2018), or DR would be as biased as DM.

    Args:
        rewards: [n].
        items: [n], from 0.
        places: [n], from 0.
        users: [n].
        n_items: above all of them.
        n_places: above all of them.
    """

    def __init__(
        self,
        rewards: Floats,
        items: NDArray[np.int64],
        places: NDArray[np.int64],
        users: NDArray[np.int64],
        *,
        n_items: int,
        n_places: int,
    ) -> None:
        self._n_places = n_places
        self._of_fold = []
        for fold in range(FOLDS):
            others = users % FOLDS != fold
            self._of_fold.append(self._means(rewards[others], items[others], places[others], n_items))

    def expected(
        self, items: NDArray[np.int64], places: NDArray[np.int64], users: NDArray[np.int64]
    ) -> Floats:
        """[n]: of items in places; -1 = an item that the log does not know: the place's mean."""
        fold = users % FOLDS
        found: Floats = np.stack(self._of_fold)[fold, places, items]
        return found

    def _means(
        self, rewards: Floats, items: NDArray[np.int64], places: NDArray[np.int64], n_items: int
    ) -> Floats:
        """[places, items + 1], the last one for unknown items."""
        shape = (self._n_places, n_items + 1)
        cells = places * (n_items + 1) + items
        sums = np.bincount(cells, rewards, shape[0] * shape[1]).reshape(shape)
        counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
        of_place = sums.sum(axis=1, keepdims=True) / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        means: Floats = (sums + PRIOR * of_place) / (counts + PRIOR)
        return means
