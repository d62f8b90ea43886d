"""Deduplication: events that a producer sent twice, in a bounded window of every partition.

A repeat has the event_id, item and event type of an event before it. An id alone does not tell: the lines of an order
often share one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.errors import ConfigError
from stream_rec.kernels import dedup as kernels
from stream_rec.kernels.dedup import DedupWindow
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import EventBatch, IdColumn

_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC4CEB9FE1A85EC53))
_REMEMBERED = 1024
_NONE: NDArray[np.int64] = np.zeros(0, np.int64)


def event_keys(batch: EventBatch) -> NDArray[np.uint64]:
    """What events are known by: a hash of event_id, item and event type; 0 = the event has no id. uint64 [n]."""
    ids = hash_ids(batch.event_ids)
    if not ids.any():
        return ids
    names = list(dict.fromkeys(batch.event_types))
    of_type = dict(zip(names, hash_ids(IdColumn.of(names)).tolist(), strict=True))
    types = np.array([of_type[name] for name in batch.event_types], np.uint64)
    content = hash_ids(batch.items) + types * _ODD[0]
    content = (content ^ content >> np.uint64(33)) * _ODD[1]
    keys = ids ^ content ^ content >> np.uint64(29)
    return np.where(ids == 0, np.uint64(0), np.maximum(keys, np.uint64(1)))


class SharedIds:
    """Watches whether events that differ share an event_id, and logs the first such event.

    It remembers the last 1,024 ids or fewer; what it knows is no part of the state.
    """

    def __init__(self) -> None:
        self._ids: NDArray[np.uint64] = np.zeros(_REMEMBERED, np.uint64)
        self._keys: NDArray[np.uint64] = np.zeros(_REMEMBERED, np.uint64)
        self._said = False

    def look(self, batch: EventBatch, keys: NDArray[np.uint64], first: int) -> None:
        """Look at the events of a batch from index `first` on."""
        if self._said or not keys.any():
            return
        at = np.flatnonzero(keys[first:]) + first
        ids, keys = hash_ids(batch.event_ids)[at], keys[at]
        places = (ids % np.uint64(_REMEMBERED)).astype(np.int64)
        differs = (self._ids[places] == ids) & (self._keys[places] != keys)
        order = np.argsort(ids, kind="stable")
        differs[order[1:]] |= (ids[order[1:]] == ids[order[:-1]]) & (keys[order[1:]] != keys[order[:-1]])
        self._ids[places], self._keys[places] = ids, keys
        if differs.any():
            self._say(batch, int(at[np.argmax(differs)]))

    def _say(self, batch: EventBatch, at: int) -> None:
        self._said = True
        one = batch.only(np.array([at]))
        logs.get("learn").warning(
            "events of different items or types share an event_id: all are learned, repeats of each once",
            record=f"{batch.span.topic}/{batch.span.partition}/{int(one.offsets[0])}",
            event_id=one.event_ids.to_list()[0],
            item=one.items.to_list()[0],
            fix="give each event an id of its own, say the order's number and the line's",
        )


class Deduplication:
    """Windows of the last event ids; one of the engine's states.

    An event is known by a 64-bit hash: the chance that a new one is dropped because another in the window has the same
    is window / 2^64 per event.

    Args:
        window: distinct ids kept per partition; 0 = repeats are learned like any event.
        partitions: number of partitions with a window; events of higher ones are never dropped. A window takes 16 to
            24 bytes per id, and nothing before the partition's first event with an id.
    """

    def __init__(self, window: int, partitions: int) -> None:
        self.window = window
        self.partitions = partitions
        self._windows: dict[int, DedupWindow] = {}

    def mark(self, partition: int, keys: NDArray[np.uint64], first: int) -> NDArray[np.int64]:
        """Look up n events in log order, and take each in.

        Args:
            partition: of the topic `events`.
            keys: uint64 [n], as `event_keys` makes them; 0 = no id: never a repeat.
            first: index of the first event that is not learned yet; those before it are left alone.

        Returns:
            int64 [m], ascending: the events that were among the partition's last ones, or earlier in the batch.
        """
        if not self.window or not keys.any() or not partition < self.partitions:
            return _NONE
        repeated = np.zeros(len(keys), np.bool_)
        n = kernels.mark(self._of(partition), keys, first, repeated)
        return np.flatnonzero(repeated) if n else _NONE

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The whole state by name, in a fixed order: the memory itself, as far as it is filled, not copies."""
        named: dict[str, NDArray[Any]] = {}
        for partition, window in sorted(self._windows.items()):
            named[f"{partition}.hashes"] = window.hashes[: int(window.n_taken[0])]
            named[f"{partition}.n_taken"] = window.n_taken
        return named

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave, in place of the present state.

        Raises:
            ConfigError: as for `check`; nothing is changed then.
        """
        self.check(arrays)
        self._windows = {}
        for partition in _partitions(arrays):
            window = self._of(partition)
            window.hashes[: len(arrays[f"{partition}.hashes"])] = arrays[f"{partition}.hashes"]
            window.n_taken[:] = arrays[f"{partition}.n_taken"]
            kernels.rebuild(window)

    def check(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Could `load` take these?

        Raises:
            ConfigError: they were made with another `engine.repeat_window` or more partitions.
        """
        for partition in _partitions(arrays):
            n, n_taken = len(arrays[f"{partition}.hashes"]), int(arrays[f"{partition}.n_taken"][0])
            if partition >= self.partitions or n != min(n_taken, self.window):
                raise ConfigError(
                    f"the event ids of partition {partition} do not fit into engine.repeat_window = {self.window} "
                    f"and engine.repeat_partitions = {self.partitions}",
                    fix="start with the values that the snapshot was made with",
                )

    def n_ids(self) -> int:
        """Ids known now."""
        return sum(min(int(window.n_taken[0]), self.window) for window in self._windows.values())

    def nbytes(self) -> int:
        """Memory of all windows."""
        return sum(array.nbytes for window in self._windows.values() for array in window)

    def _of(self, partition: int) -> DedupWindow:
        if partition not in self._windows:
            self._windows[partition] = _empty(self.window)
        return self._windows[partition]


def _empty(window: int) -> DedupWindow:
    return DedupWindow(
        hashes=np.zeros(window, np.uint64),
        slots=np.zeros(1 << (2 * window - 1).bit_length(), np.int32),
        n_taken=np.zeros(1, np.int64),
    )


def _partitions(arrays: Mapping[str, NDArray[Any]]) -> list[int]:
    return sorted({int(name.partition(".")[0]) for name in arrays})
