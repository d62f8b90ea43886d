"""Vector spaces as the log gives them: records of `vectors`, and what the catalogue says, into the state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.catalogue.lists import may_be_shown
from stream_rec.engine.fold import catalogue
from stream_rec.engine.fold.state import State
from stream_rec.engine.held import Held
from stream_rec.engine.names import rows_of
from stream_rec.engine.spaces.content import content_vector
from stream_rec.engine.spaces.indexes import SpaceIndexes, n_slots, slot_of, space_name
from stream_rec.kernels.codes import code_of
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.slots import PER_SPACE
from stream_rec.schemas.columns import IdColumn, VectorBatch, VectorChange
from stream_rec.schemas.records import CONTENT, Item
from stream_rec.schemas.scenario import SPACE_PREFIX
from stream_rec.settings import EngineSettings
from stream_rec.sources import ranker
from stream_rec.sources.vectors import PRIORS

_MOST_SEARCHED = 1024


class Refused(NamedTuple):
    """A record that is good by itself, but not in its space.

    Attributes:
        offset: of the record.
        reason: a code of `schemas.validation.REASONS`.
        detail: for a person.
    """

    offset: int
    reason: str
    detail: str


class SpaceInfo(NamedTuple):
    """How a space stands.

    Attributes:
        name: of the space.
        dimension: of its vectors as they come.
        width: of the vectors as they are kept.
        n_items: that have one.
    """

    name: str
    dimension: int
    width: int
    n_items: int


@lru_cache(maxsize=8)
def projection(dimension: int, width: int, seed: int) -> NDArray[np.float32]:
    """float32 [dimension, width], normal: keeps angles, on average (Johnson and Lindenstrauss, 1984)."""
    return np.random.default_rng([seed, dimension, width]).standard_normal((dimension, width), np.float32)


def reduced(values: NDArray[np.float32], width: int, seed: int) -> NDArray[np.float32]:
    """A vector of unit length, float32 [width]: filled up with zeros, or projected if it is longer."""
    wide = np.zeros(width, np.float64)
    if len(values) <= width:
        wide[: len(values)] = values
    else:
        # No BLAS: its sums may depend on the number of threads.
        wide[:] = np.einsum("i,ij->j", values.astype(np.float64), projection(len(values), width, seed))
    unit: NDArray[np.float32] = (wide / np.sqrt((wide * wide).sum())).astype(np.float32)
    return unit


class Spaces:
    """All vector spaces of an engine.

    Args:
        held: the state, changed in place.
        indexes: told of every change.
        settings: bounds, and whether there is the space `content`.
    """

    def __init__(self, held: Held, indexes: SpaceIndexes, settings: EngineSettings) -> None:
        self._held = held
        self._indexes = indexes
        self._seed = settings.seed
        self._width = settings.vector_width
        self._n = settings.max_spaces
        self._has_content = settings.content and settings.max_spaces > 0

    @property
    def _state(self) -> State:
        return self._held.state

    def sources(self) -> tuple[str, ...]:
        """What sources the slots are called; "" = it is free. That of `content` has its name before it has items."""
        names = [""] * self._n
        for slot in range(n_slots(self._state)):
            names[slot] = space_name(self._state, slot)
        if self._has_content:
            names[0] = CONTENT
        return tuple(SPACE_PREFIX + name if name else "" for name in names)

    def in_use(self) -> list[SpaceInfo]:
        """The spaces that there are."""
        own = self._state.spaces
        return [
            SpaceInfo(space_name(self._state, slot), n, min(n, self._width), int(own.counts[slot]))
            for slot, n in enumerate(own.dimensions.tolist())
            if n
        ]

    def stats(self) -> dict[str, float]:
        """Gauges."""
        own = self._state.spaces
        return {"vector_spaces": float(np.count_nonzero(own.dimensions)), "vectors": float(own.counts.sum())}

    def nearest(
        self, space: str, item_ids: Sequence[str], k: int, *, only_catalogue: bool
    ) -> tuple[list[int], list[float]]:
        """Codes and cosines of the k items nearest to the mean of these, which are not among them, best first.

        Fewer where of the nearest 1,024 not so many may be shown.
        """
        slot, state = slot_of(self._state, space), self._state
        rows = rows_of(state.items, IdColumn.of(item_ids))
        rows = rows[rows >= 0]
        if slot < 0 or not (rows := np.unique(rows[state.spaces.has[rows, slot]])).size:
            return [], []
        mean = state.spaces.vectors[slot, rows].mean(axis=0)
        most = min(int(state.spaces.counts[slot]), _MOST_SEARCHED)
        found = self._indexes.search(state, slot, mean[None], most)[0][0]
        found = found[(found >= 0) & ~np.isin(found, rows)]
        found = found[may_be_shown(state, only_catalogue)[found]][:k]
        cosines = (state.spaces.vectors[slot, found] * mean).sum(axis=1) / max(
            np.sqrt((mean * mean).sum()), 1e-9
        )
        codes = [int(code_of(row, state.generation)) for row in found.tolist()]
        return codes, [round(float(cosine), 4) for cosine in cosines]

    # ---- learn ----

    def learn(self, batch: VectorBatch, position: int) -> list[Refused]:
        """Learn the changes at or after `position`, in log order; the indexes know each at once.

        Returns:
            Those that do not fit into their space, also of those before `position`, as the spaces are now: a worker
            learns the topic to its end before it owns it, and sets aside only then. They change nothing.
        """
        refused = []
        for change in batch.changes:
            is_new = change.offset >= position
            if change.values is not None and (why := self._refusal(change, change.values)):
                refused.append(Refused(change.offset, *why))
            elif is_new and change.values is None:
                self._remove(change.space, change.item_id)
            elif is_new and change.values is not None:
                self._upsert(change.space, change.item_id, change.values)
        self._indexes.settle()
        return refused

    def describe(self, item: Item, row: int) -> int:
        """The catalogue's words become the item's vector in the space `content`; its slot, -1 = there is none."""
        if not self._has_content:
            return -1
        vector = content_vector(self._state.spaces, item, self._width)
        if vector is not None:
            self._take(0, CONTENT, self._width)
            self._put(0, row, vector)
        else:
            self._drop(0, row)
        return 0

    def catalogue_removed(self, row: int) -> None:
        """The item has left the catalogue: what others know of it stays."""
        if self._has_content:
            self._drop(0, row)

    def refresh(self) -> None:
        """At fixed event counts: spaces that eviction has emptied are free, indexes forget who went."""
        own = self._state.spaces
        for slot in np.flatnonzero((own.dimensions > 0) & (own.counts == 0)).tolist():
            self._free(slot)
        # As batches are cut, the query of the next event is prepared already: with columns of slots that are free now.
        query = self._held.query
        query.n_columns[0] = len(query.features) - PER_SPACE * (self._n - n_slots(self._state))
        self._indexes.refresh(self._state)

    def _refusal(self, change: VectorChange, values: NDArray[np.float32]) -> tuple[str, str] | None:
        slot, own = slot_of(self._state, change.space), self._state.spaces
        if change.space == CONTENT:
            return "reserved_space", f"the space {CONTENT} is made from the catalogue"
        if slot < 0 and self._free_slot() < 0:
            used = ", ".join(info.name for info in self.in_use())
            return "too_many_spaces", f"{self._n} spaces are allowed, {used or 'none'} in use"
        if slot >= 0 and own.dimensions[slot] != len(values):
            detail = f"{len(values)} numbers, the vectors of {change.space} have {own.dimensions[slot]}"
            return "dimension_mismatch", detail
        return None

    def _upsert(self, space: str, item_id: str, values: NDArray[np.float32]) -> None:
        slot = slot_of(self._state, space)
        if slot < 0:
            slot = self._free_slot()
            self._take(slot, space, len(values))
        data = np.frombuffer(item_id.encode(), np.uint8)
        self._held.make_room(0, len(data))
        h = hash_ids(IdColumn.of([item_id]))[0]
        learned, rates = self._held.handle.state, self._held.handle.rates
        row = int(catalogue.enter(learned, rates, data, h, np.uint64(self._seed)))
        self._put(slot, row, reduced(values, self._width, self._seed))

    def _remove(self, space: str, item_id: str) -> None:
        slot = slot_of(self._state, space) if space != CONTENT else -1
        data = np.frombuffer(item_id.encode(), np.uint8)
        h = hash_ids(IdColumn.of([item_id]))[0]
        row = int(catalogue.row_of(self._held.handle.state, data, h))
        if slot >= 0 and row >= 0:
            self._drop(slot, row)

    def _put(self, slot: int, row: int, vector: NDArray[np.float32]) -> None:
        own = self._state.spaces
        own.counts[slot] += not own.has[row, slot]
        own.has[row, slot] = True
        own.vectors[slot, row] = vector
        self._changed(slot, row)

    def _drop(self, slot: int, row: int) -> None:
        own = self._state.spaces
        if not own.has[row, slot]:
            return
        own.counts[slot] -= 1
        own.has[row, slot] = False
        own.vectors[slot, row] = 0.0
        self._changed(slot, row)
        if own.counts[slot] == 0:
            self._free(slot)

    def _changed(self, slot: int, row: int) -> None:
        own = self._state.spaces
        own.changes[slot] += 1
        self._indexes.place(self._state, slot, row)
        self._indexes.changed(slot, int(own.changes[slot]))

    # ---- slots ----

    def _free_slot(self) -> int:
        """The first one that may be taken, -1 = none."""
        free = np.flatnonzero(self._state.spaces.dimensions == 0)
        return next((slot for slot in free.tolist() if slot or not self._has_content), -1)

    def _take(self, slot: int, space: str, dimension: int) -> None:
        own = self._state.spaces
        if own.dimensions[slot] == 0:
            own.dimensions[slot] = dimension
            name = np.frombuffer(space.encode(), np.uint8)
            own.names[slot, : len(name)] = name

    def _free(self, slot: int) -> None:
        """Another space may take the slot, and the ranker begins with it as with a new one."""
        own = self._state.spaces
        own.dimensions[slot] = own.changes[slot] = 0
        own.names[slot] = 0
        self._indexes.free(slot)
        mine = self._state.ranker
        n = len(mine.linear)
        fresh = ranker.empty(n, PRIORS * self._n)
        first = n - PER_SPACE * (self._n - slot)
        for name in ("linear", "hidden", "slopes", "linear_squares", "hidden_squares"):
            columns = np.s_[..., first : first + PER_SPACE]
            getattr(mine, name)[columns] = getattr(fresh, name)[columns]
