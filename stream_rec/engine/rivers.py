"""The river models as the engine drives them: they score and learn in Python, between the kernels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.learn import Events
from stream_rec.engine.fold.state import Query, State
from stream_rec.engine.names import rows_of
from stream_rec.errors import ConfigError
from stream_rec.kernels.codes import ROW_MASK
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.event_types import Meaning
from stream_rec.settings import EngineSettings
from stream_rec.sources.features import N_FEATURES
from stream_rec.sources.river_source import RiverSource


class Rivers:
    """All river sources of an engine; usually none."""

    def __init__(self, settings: EngineSettings) -> None:
        self._models = [
            RiverSource(name, settings.max_users, settings.max_items, settings.seed)
            for name in settings.river_sources
        ]
        self.names = tuple(model.name for model in self._models)

    def refuse_snapshots(self) -> None:
        """A river model's state has no form that could be kept without pickle.

        Raises:
            ConfigError: there is one.
        """
        if self.names:
            raise ConfigError(
                f"river sources ({', '.join(self.names)}) cannot be kept in snapshots",
                fix='set snapshot.url to "", or engine.river_sources to []',
            )

    def portions(self, n: int) -> Iterator[slice]:
        """How n users are ranked: all at once, or one by one where river has to score in between."""
        if not self._models:
            yield slice(0, n)
        else:
            yield from (slice(i, i + 1) for i in range(n))

    def stop(self, at: int, until: int) -> int:
        """Where the kernels stop that learn from event `at` on: behind it if there are models.

        A model that learned later would find another state, which would hang on how events are cut into batches.
        """
        return at + 1 if self._models else until

    def fill(self, query: Query) -> None:
        """The models' features of all candidates of the query."""
        n = int(query.n_candidates[0])
        items = query.codes[:n] & ROW_MASK
        for i, model in enumerate(self._models):
            query.features[N_FEATURES + i, :n] = model.score(int(query.user[0]), items)

    def learn(self, state: State, events: Events, values: NDArray[np.float32], first: int, last: int) -> None:
        """Events first..last - 1, which the kernels have learned just now."""
        if not self._models:
            return
        users = rows_of(state.users, _part(events.user_data, events.user_ends, first, last)).tolist()
        items = rows_of(state.items, _part(events.item_data, events.item_ends, first, last)).tolist()
        held = min(int(state.factors.n_recent[0]), len(state.factors.recent))
        for i, user, item in zip(range(first, last), users, items, strict=True):
            if user < 0 or item < 0:
                continue
            meaning = events.meanings[i]
            if meaning == Meaning.UNDONE:
                continue
            without_value = 1.0 if meaning == Meaning.POSITIVE else 0.0
            y = without_value if np.isnan(values[i]) else float(values[i])
            other = int(state.factors.recent[int(events.seeds[i]) % held]) & ROW_MASK
            for model in self._models:
                model.learn(user, item, y)
                if other != item:
                    model.learn(user, other, 0.0)


def _part(data: NDArray[np.uint8], ends: NDArray[np.int64], first: int, last: int) -> IdColumn:
    start = int(ends[first - 1]) if first else 0
    return IdColumn(data[start : int(ends[last - 1])], ends[first:last] - start)
