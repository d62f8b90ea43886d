"""Ids to rows and back: the typed side of kernels.vocabulary."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import vocabulary
from stream_rec.kernels.codes import LAST_GENERATION, NO_CODE, ROW_MASK
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.vocabulary import LONG_SWEEP, VocabularyState
from stream_rec.schemas.columns import IdColumn


def rows_of(v: VocabularyState, ids: IdColumn, hashes: NDArray[np.uint64] | None = None) -> NDArray[np.int32]:
    """int32 [n]: the row of each id, -1 where it is unknown. Reads only; who has the ids' hashes gives them along."""
    rows = np.empty(len(ids.ends), np.int32)
    vocabulary.find_all(v, ids.data, ids.ends, hash_ids(ids) if hashes is None else hashes, rows)
    return rows


def with_room(v: VocabularyState, n_bytes: int) -> VocabularyState:
    """The same vocabulary with room for n_bytes more of ids, moved to a larger or a compacted arena if need be."""
    if v.counters["arena_end"][0] + n_bytes <= len(v.arena):
        return v
    live = int(v.counters["arena_live"][0])
    arena = np.zeros(2 * live + 2 * n_bytes + 65_536, np.uint8)
    vocabulary.compact(v, arena)
    return v._replace(arena=arena)


def name_of(v: VocabularyState, row: int) -> str:
    """The id in a row."""
    start = int(v.starts[row])
    return v.arena[start : start + int(v.lengths[row])].tobytes().decode()


class ItemNames:
    """Item codes to ids, each decoded once. Holds at most one string a row.

    A row's generations come round again when it has been reused LAST_GENERATION times, so all names are dropped before
    any row can have been: a sweep looks at all other rows before it comes back to one.
    """

    def __init__(self, n_rows: int) -> None:
        self._codes = np.zeros(n_rows, np.int32)
        self._names = np.full(n_rows, "", object)
        self._lifetime = (LAST_GENERATION - 1) * max(1, n_rows // LONG_SWEEP)
        self._since = 0

    def of(self, v: VocabularyState, codes: NDArray[np.int32]) -> NDArray[np.object_]:
        """The ids of codes, str in an array of the same shape; "" for 0."""
        evicted = n_evicted(v)
        if evicted - self._since >= self._lifetime:
            self._codes[:] = 0
            self._since = evicted
        rows = codes & ROW_MASK
        unknown = (codes != NO_CODE) & (self._codes[rows] != codes)
        for code in set(codes[unknown].tolist()):
            row = code & ROW_MASK
            self._codes[row] = code
            self._names[row] = name_of(v, row)
        names: NDArray[np.object_] = np.where(codes != NO_CODE, self._names[rows], "")
        return names


def n_rows(v: VocabularyState) -> int:
    """How many rows were ever taken."""
    return int(v.counters["n_rows"][0])


def n_evicted(v: VocabularyState) -> int:
    """How many ids ever lost their row to another one."""
    return int(v.counters["evicted"][0])
