"""The vector index as the engine drives it: refreshed, rebuilt and swapped at fixed event counts only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.state import State
from stream_rec.engine.names import n_rows
from stream_rec.engine.spaces.indexes import SpaceIndexes, is_of_spaces
from stream_rec.index.item_index import ItemIndex
from stream_rec.kernels.codes import ROW_MASK
from stream_rec.settings import EngineSettings

N_FOUND = 50
"""Items that the index is asked for in one query."""
N_PROBES = 128


class VectorIndex:
    """Item factors in FAISS, as of the last multiple of `index_refresh_events` learned events.

    Attributes:
        spaces: the indexes of vector spaces.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._every = settings.index_refresh_events
        self._index = ItemIndex(
            settings.n_factors,
            exact_below=settings.exact_below_items,
            max_items=settings.max_items,
            seed=settings.seed,
        )
        self.spaces = SpaceIndexes(settings)
        self.nowhere: NDArray[np.int32] = np.full(N_FOUND, -1, np.int32)

    def due_in(self, n_learned: int) -> int:
        """Events until the next refresh: 1 to index_refresh_events."""
        return self._every - n_learned % self._every

    def after(self, state: State, n_learned: int) -> bool:
        """Called when events were learned, so many ever: refresh if the count says so; did it?

        A rebuild that was begun at one refresh is joined a fixed number of refreshes later, however long it took.
        """
        if n_learned % self._every:
            return False
        self._refresh(state)
        self._index.maintain(_typical_queries(state))
        return True

    def _refresh(self, state: State) -> None:
        """Take over the factors of every dirty item that may be recommended."""
        n = n_rows(state.items)
        dirty = state.factors.dirty[:n]
        rows = np.flatnonzero(dirty & state.popularity.eligible[:n]).astype(np.int32)
        if len(rows):
            self._index.upsert(rows, state.factors.items[rows])
        dirty[:] = False

    def update_one(self, state: State, row: int, *, placed: int = -1) -> None:
        """Take one item over: a catalogue record must not wait for events.

        Args:
            state: as it is now.
            row: of the item.
            placed: slot of the vector space that knows already; -1 = none does.
        """
        self._index.later(row, state.factors.items[row] if state.popularity.eligible[row] else None)
        state.factors.dirty[row] = False
        self.spaces.place_in_all(state, row, but=placed)

    def settle(self) -> None:
        """As of `SpaceIndexes`, for all indexes; at the end of a batch of records."""
        len(self._index)
        self.spaces.settle()

    def search(
        self, vectors: NDArray[np.float32], allowed: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int32]:
        """int32 [n, N_FOUND]: rows with the largest inner products, -1 where there are fewer; of the allowed ones."""
        rows: NDArray[np.int32] = self._index.search(vectors, N_FOUND, allowed=allowed)[0]
        return rows

    def search_one(self, vector: NDArray[np.float32]) -> NDArray[np.int32]:
        """int32 [N_FOUND] for one query."""
        found: NDArray[np.int32] = self.search(vector[None, :])[0]
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, for snapshots, digests and accounts: copies. Does not wait for a rebuild that is under way."""
        return self._index.serialize() | self.spaces.arrays()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become what `arrays` came from; a rebuild that was under way is begun again, and joined at the same count.

        Raises:
            ConfigError: vectors of another width; nothing is changed then.
        """
        self._index.restore({name: array for name, array in arrays.items() if not is_of_spaces(name)})
        self.spaces.restore(arrays)

    def stats(self, state: State) -> dict[str, float]:
        """Size and staleness."""
        stale = float(np.count_nonzero(state.factors.dirty[: n_rows(state.items)]))
        form = self._index.stats()
        return {
            "index_items": float(form.n),
            "index_lists": float(form.nlist),
            "index_recall": form.recall,
            "index_rebuilds": float(form.rebuilds),
            "index_stale_items": stale,
        }


def _typical_queries(state: State) -> NDArray[np.float32]:
    """Queries such as come: the input factors of recent events' items, evenly spaced; for the index's calibration."""
    f = state.factors
    held = min(int(f.n_recent[0]), len(f.recent))
    codes = f.recent[np.linspace(0, held - 1, min(held, N_PROBES)).astype(np.int64)]
    queries: NDArray[np.float32] = f.inputs[codes & ROW_MASK]
    return queries
