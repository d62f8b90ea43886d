"""An index for each vector space, as the engine drives them: told of every change at once, rebuilt at fixed counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.slates import Near
from stream_rec.engine.fold.state import Query, State
from stream_rec.engine.names import n_rows
from stream_rec.index.item_index import Hits, ItemIndex
from stream_rec.settings import EngineSettings
from stream_rec.sources.vectors import N_NEAR, N_QUERIES

MAINTAIN_EVERY = 1024
"""Changes of a space between two looks at whether a rebuild of its index would pay."""
_PART = "space"


def n_slots(state: State) -> int:
    """Slots up to the last one in use."""
    (taken,) = state.spaces.dimensions.nonzero()
    return int(taken[-1]) + 1 if len(taken) else 0


def space_name(state: State, slot: int) -> str:
    """Which space a slot holds; empty = it is free."""
    name: bytes = state.spaces.names[slot].tobytes()
    return name.rstrip(b"\0").decode()


def slot_of(state: State, space: str) -> int:
    """The slot of a space; -1 = there is no such space."""
    taken = np.flatnonzero(state.spaces.dimensions).tolist()
    return next((slot for slot in taken if space_name(state, slot) == space), -1)


class SpaceIndexes:
    """Which items of a space are nearest to a vector. An index holds the items that have one and may be recommended.

    Args:
        settings: bounds.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._indexes = [self._empty() for _ in range(settings.max_spaces)]

    def __len__(self) -> int:
        return len(self._indexes)

    def _empty(self) -> ItemIndex:
        of = self._settings
        return ItemIndex(
            of.vector_width, exact_below=of.exact_below_items, max_items=of.max_items, seed=of.seed
        )

    def place(self, state: State, slot: int, row: int) -> None:
        """Put an item's vector in, or take it out, as the state has it now."""
        is_in = state.spaces.has[row, slot] and state.popularity.eligible[row]
        self._indexes[slot].later(row, state.spaces.vectors[slot, row] if is_in else None)

    def place_in_all(self, state: State, row: int, *, but: int = -1) -> None:
        """The item may be recommended now, or no longer; one slot may know already."""
        for slot in np.flatnonzero(state.spaces.has[row]).tolist():
            if slot != but:
                self.place(state, slot, row)

    def settle(self) -> None:
        """Changes that were put off are made: from now on several threads may search."""
        for index in self._indexes:
            len(index)

    def changed(self, slot: int, n_changes: int) -> None:
        """So many changes of a space were learned."""
        if n_changes % MAINTAIN_EVERY == 0:
            self._indexes[slot].maintain()

    def free(self, slot: int) -> None:
        """Nothing is in the space any more."""
        self._indexes[slot] = self._empty()

    def refresh(self, state: State) -> None:
        """Forget rows that were given to other items, and look whether rebuilds would pay. At fixed event counts."""
        gone = np.flatnonzero(state.spaces.gone[: n_rows(state.items)]).astype(np.int32)
        for slot in np.flatnonzero(state.spaces.dimensions).tolist():
            self._indexes[slot].remove(gone[~state.spaces.has[gone, slot]])
            self._indexes[slot].maintain()
        state.spaces.gone[gone] = False

    def search(
        self,
        state: State,
        slot: int,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
    ) -> Hits:
        """Rows of the nearest items, int32 [n, k], -1 where there are fewer, and inner products."""
        found, cosines = self._indexes[slot].search(queries, k, allowed=allowed)
        found[~state.spaces.has[found, slot]] = -1
        return found, cosines

    def find_one(self, state: State, query: Query) -> None:
        """Fill `found` of a query that has read its context."""
        own = query.spaces
        if True in own.asks.tolist():  # asked for every judged event: of a few flags this is the quickest
            own.found[:] = self.find(state, Near(own.means[None], own.singles[None], own.asks[None]))[0]

    def find(self, state: State, near: Near, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.int32]:
        """int32 [n, S, N_QUERIES * N_NEAR] for n users: what is near the mean, and near the last item.

        Args:
            state: read only.
            near: of the users, and the first S slots.
            allowed: bool [m], the rows that may be found; None = all.
        """
        n, slots = near.asks.shape
        found = np.full((n, slots, N_QUERIES * N_NEAR), -1, np.int32)
        for slot in np.flatnonzero(near.asks.any(axis=0)).tolist() if slots else ():
            asking = np.flatnonzero(near.asks[:, slot])
            lasts = state.spaces.vectors[slot, near.singles[asking, slot, 0]]
            queries = np.concatenate([near.means[asking, slot], lasts])
            rows = self.search(state, slot, queries, N_NEAR, allowed)[0]
            found[asking, slot] = np.hstack([rows[: len(asking)], rows[len(asking) :]])
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything of the indexes that hold anything, or ever did."""
        return {
            f"{_PART}{slot}.{name}": array
            for slot, index in enumerate(self._indexes)
            if len(index) or index.stats().updates
            for name, array in index.serialize().items()
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become what `arrays` came from, which may hold other arrays as well.

        Raises:
            ConfigError: vectors of another width.
        """
        for slot in range(len(self)):
            start, index = f"{_PART}{slot}.", self._empty()
            if given := {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}:
                index.restore(given)
            self._indexes[slot] = index


def is_of_spaces(name: str) -> bool:
    """Is the array one of `SpaceIndexes.arrays`?"""
    return name.startswith(_PART)
