"""What the events of a batch mean, as the kernels take it; ids of types are their hashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.reject import UNDOES_DISLIKE, UNDOES_NEVER
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.pairs import NEVER_OWNER, NEVER_TAG
from stream_rec.schemas.columns import EventBatch, IdColumn
from stream_rec.schemas.event_types import EventTypes, Meaning, Meanings
from stream_rec.settings import EventTypeSettings

_KINDS = {"tag": NEVER_TAG, "owner": NEVER_OWNER}


class MeaningColumns(NamedTuple):
    """As `fold.learn.Events` has them, for n events."""

    weights: NDArray[np.float32]
    meanings: NDArray[np.uint8]
    undo_kinds: NDArray[np.uint64]
    undone: NDArray[np.uint8]
    hides: NDArray[np.uint8]
    tags: NDArray[np.uint64]
    types: NDArray[np.uint8]
    ratings: NDArray[np.float32]


class EventMeanings:
    """The table of event types, compiled.

    Args:
        table: the settings'.
    """

    def __init__(self, table: Mapping[str, EventTypeSettings]) -> None:
        self.types = EventTypes.of(table)
        self._undo_kinds = np.array([self._undo_kind(n) for n in range(len(self.types.cases))], np.uint64)
        self._undone = np.array([self._also_undone(case.undoes) for case in self.types.cases], np.uint8)
        self._hides = np.array([self._also_hidden(n) for n in range(len(self.types.cases))], np.uint8)

    def read(self, batch: EventBatch) -> Meanings:
        """What the events are to the engine."""
        return self.types.read(batch.event_types, batch.values)

    def told(self, batch: EventBatch) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Bool [n] each: is an event interest, and does it leave no trace."""
        read = self.read(batch)
        is_ignored = read.meanings == Meaning.IGNORED
        if self.types.has_ratings:
            is_ignored &= np.isnan(self.types.ratings(read.types, batch.values))
        return read.meanings == Meaning.POSITIVE, is_ignored

    def columns(self, batch: EventBatch) -> MeaningColumns:
        """Of a batch without events that leave no trace."""
        read = self.read(batch)
        hides, tags = self._hides[read.cases], np.zeros(len(batch), np.uint64)
        if hides.any():
            tags = hash_ids(batch.context_tags)
        kinds, undone = self._undo_kinds[read.cases], self._undone[read.cases]
        numbers = self.types.numbers(read.types)
        ratings = self.types.ratings(read.types, batch.values)
        return MeaningColumns(read.weights, read.meanings, kinds, undone, hides, tags, numbers, ratings)

    def _undo_kind(self, case: int) -> np.uint64:
        """Of an event that can be taken back, and of one that takes back; 0 of all others."""
        found, owner = self.types.cases[case], self.types.owners[case]
        if found.undoes:
            return _hash(found.undoes)
        name = self.types.names[owner] if owner >= 0 else ""
        return (
            _hash(name) if found.meaning is Meaning.POSITIVE and name in self.types.undone else np.uint64(0)
        )

    def _also_undone(self, name: str) -> int:
        meanings = {case.meaning for case in self.types.row(name).cases} if name else set()
        return UNDOES_DISLIKE * (Meaning.NEGATIVE in meanings) + UNDOES_NEVER * (Meaning.NEVER in meanings)

    def _also_hidden(self, case: int) -> int:
        """The kind of what a never blocks besides the item, and of what one that takes it back frees; 0 = nothing."""
        found, owner = self.types.cases[case], self.types.owners[case]
        name = found.undoes or (self.types.names[owner] if owner >= 0 else "")
        concerns = found.meaning in (Meaning.NEVER, Meaning.UNDONE)
        return _KINDS.get(self.types.row(name).hides, 0) if concerns else 0


def _hash(name: str) -> np.uint64:
    found: np.uint64 = hash_ids(IdColumn.of([name]))[0]
    return found
