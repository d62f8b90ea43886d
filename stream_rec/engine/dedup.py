"""Deduplication: events that a producer sent twice, by their event_id, in a bounded window of every partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.errors import ConfigError
from stream_rec.kernels import dedup as kernels
from stream_rec.kernels.dedup import DedupWindow
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn

_NONE: NDArray[np.int64] = np.zeros(0, np.int64)


class Deduplication:
    """Windows of the last event ids; one of the engine's states.

    An id is known by its 64-bit hash: the chance that a new event is dropped because another id in the window has the
    same hash is window / 2^64 per event.

    Args:
        window: distinct ids kept per partition; 0 = repeats are learned like any event.
        partitions: number of partitions with a window; events of higher ones are never dropped. A window takes 16 to
            24 bytes per id, and nothing before the partition's first event with an id.
    """

    def __init__(self, window: int, partitions: int) -> None:
        self._window = window
        self._partitions = partitions
        self._windows: dict[int, DedupWindow] = {}

    def mark(self, partition: int, ids: IdColumn, first: int) -> NDArray[np.int64]:
        """Look up the ids of n events in log order, and take each in.

        Args:
            partition: of the topic `events`.
            ids: [n]; an empty one is never a repeat.
            first: index of the first event that is not learned yet; those before it are left alone.

        Returns:
            int64 [m], ascending: the events whose id was among the partition's last ones, or earlier in the batch.
        """
        if not self._window or not len(ids.data) or not partition < self._partitions:
            return _NONE
        repeated = np.zeros(len(ids.ends), np.bool_)
        n = kernels.mark(self._of(partition), hash_ids(ids), first, repeated)
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
            if partition >= self._partitions or n != min(n_taken, self._window):
                raise ConfigError(
                    f"the event ids of partition {partition} do not fit into engine.repeat_window = {self._window} "
                    f"and engine.repeat_partitions = {self._partitions}",
                    fix="start with the values that the snapshot was made with",
                )

    def n_ids(self) -> int:
        """Ids known now."""
        return sum(min(int(window.n_taken[0]), self._window) for window in self._windows.values())

    def nbytes(self) -> int:
        """Memory of all windows."""
        return sum(array.nbytes for window in self._windows.values() for array in window)

    def _of(self, partition: int) -> DedupWindow:
        if partition not in self._windows:
            self._windows[partition] = _empty(self._window)
        return self._windows[partition]


def _empty(window: int) -> DedupWindow:
    return DedupWindow(
        hashes=np.zeros(window, np.uint64),
        slots=np.zeros(1 << (2 * window - 1).bit_length(), np.int32),
        n_taken=np.zeros(1, np.int64),
    )


def _partitions(arrays: Mapping[str, NDArray[Any]]) -> list[int]:
    return sorted({int(name.partition(".")[0]) for name in arrays})
