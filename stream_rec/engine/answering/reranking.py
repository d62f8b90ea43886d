"""The last word of a shop's own model over what the ranker has scored: another order, before rules place anything.

The model gives an order and nothing else: the candidate that it puts first gets the best of the ranker's scores, and so
on. So boosts, `min_relevance` and rotation mean what they mean without it, and every rule holds. Nothing is learned
of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.held import Memory
from stream_rec.engine.names import ItemNames
from stream_rec.rerank.model import Candidates
from stream_rec.rerank.rerankers import Rerankers
from stream_rec.schemas.scenario import Rerank

_NOTHING: NDArray[np.float32] = np.zeros(0, np.float32)
_MAGNITUDE = np.int64(0x7FFFFFFF)
"""Of a float32: its bits without the sign."""


class Reranking:
    """Re-orders the candidates of a query, if there are models.

    Args:
        names: of items.

    Attributes:
        added: float32 [candidates], what the last query's scores gained by it; [0] = it had no say.
    """

    def __init__(self, names: ItemNames) -> None:
        self._names = names
        self._models: Rerankers | None = None
        self.added = _NOTHING

    def use(self, models: Rerankers) -> None:
        """Ask these from now on: an engine by itself has none, and its slates go without."""
        self._models = models

    def want(self, wanted: Iterable[Rerank]) -> None:
        """These are in force."""
        if self._models is not None:
            self._models.want(wanted)

    def stats(self) -> dict[str, float]:
        """Slates by what became of them."""
        return self._models.stats() if self._models is not None else {}

    def begin(self) -> None:
        """Queries follow in which it has had no say yet."""
        self.added = _NOTHING

    def apply(self, rerank: Rerank, memory: Memory) -> None:
        """Order the candidates of a query that are scored as the model does; as they are, where it has no answer."""
        self.begin()
        query = memory.query
        n = int(query.n_candidates[0])
        if self._models is None or n == 0:
            return
        ours = query.scores[:n]
        of = partial(self._names.of, memory.state.items)
        asked = Candidates(
            query.features[:, :n].T,
            ours,
            int(query.n_session[0]),
            partial(of, query.codes[:n]),
            partial(of, query.session_codes[: int(query.n_session[0])]),
        )
        theirs = self._models.scores(rerank, asked)
        if theirs is None:
            return
        order = np.lexsort((-ours, -theirs))
        scores = np.empty(n, np.float32)
        scores[order] = strictly_descending(np.sort(ours)[::-1])
        self.added = scores - ours
        query.scores[:n] = scores


def strictly_descending(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Descending scores, each equal one lowered as little as float32 allows: an order must not end in ties."""
    bits = scores.view(np.int32).astype(np.int64)
    ordered = np.where(
        bits < 0, -(bits & _MAGNITUDE), bits
    )  # integers that stand in the order of the numbers
    places = np.arange(len(scores))
    ordered = np.minimum.accumulate(ordered + places) - places
    magnitudes = np.abs(ordered).astype(np.int32).view(np.float32)
    lowered: NDArray[np.float32] = np.where(ordered < 0, -magnitudes, magnitudes)
    return lowered
