"""Events that a producer has sent twice: found by their event_id, inside a bounded window of every partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.errors import ConfigError
from stream_rec.kernels import dedup as kernels
from stream_rec.kernels.dedup import RepeatWindow
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn

_NONE: NDArray[np.int64] = np.zeros(0, np.int64)


class Repeats:
    """Windows of the last event ids; one of the engine's states.

    An id is known by its 64-bit hash: that two ids inside one window share it, and a new event is taken for a repeat,
    has a chance of window / 2^64 for each event.

    Args:
        window: different ids kept per partition; 0 = repeats are learned like any event.
        partitions: those with a lower number have a window, others have none. A window takes 16 to 24 bytes an id, and
            nothing before the partition's first event with an id.
    """

    def __init__(self, window: int, partitions: int) -> None:
        self._window = window
        self._partitions = partitions
        self._windows: dict[int, RepeatWindow] = {}

    def mark(self, partition: int, ids: IdColumn, first: int) -> NDArray[np.int64]:
        """Take in the ids of n events in log order, each after it was looked for.

        Args:
            partition: of the topic `events`.
            ids: [n]; an empty one is never a repeat.
            first: the first event that is not learned yet; those before it are left alone.

        Returns:
            int64 [m], ascending: the events whose id was among the partition's last ones, or earlier in the batch.
        """
        if not self._window or not len(ids.data) or not partition < self._partitions:
            return _NONE
        repeated = np.zeros(len(ids.ends), np.bool_)
        n = kernels.mark(self._of(partition), hash_ids(ids), first, repeated)
        return np.flatnonzero(repeated) if n else _NONE

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that is known by name, in a fixed order: the memory itself, as far as it is filled, not copies."""
        named: dict[str, NDArray[Any]] = {}
        for partition, window in sorted(self._windows.items()):
            named[f"{partition}.hashes"] = window.hashes[: int(window.marks[0])]
            named[f"{partition}.marks"] = window.marks
        return named

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave, in place of what is known.

        Raises:
            ConfigError: as for `check`; nothing is changed then.
        """
        self.check(arrays)
        self._windows = {}
        for partition in _partitions(arrays):
            window = self._of(partition)
            window.hashes[: len(arrays[f"{partition}.hashes"])] = arrays[f"{partition}.hashes"]
            window.marks[:] = arrays[f"{partition}.marks"]
            kernels.rebuild(window)

    def check(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Could `load` take these?

        Raises:
            ConfigError: they were made with another `engine.repeat_window` or more partitions.
        """
        for partition in _partitions(arrays):
            n, marks = len(arrays[f"{partition}.hashes"]), arrays[f"{partition}.marks"]
            if partition >= self._partitions or n != min(int(marks[0]), self._window):
                raise ConfigError(
                    f"the event ids of partition {partition} do not fit into engine.repeat_window = {self._window} "
                    f"and engine.repeat_partitions = {self._partitions}",
                    fix="start with the values that the snapshot was made with",
                )

    def n_ids(self) -> int:
        """Ids known now."""
        return sum(min(int(window.marks[0]), self._window) for window in self._windows.values())

    def nbytes(self) -> int:
        """Memory of all windows."""
        return sum(array.nbytes for window in self._windows.values() for array in window)

    def _of(self, partition: int) -> RepeatWindow:
        if partition not in self._windows:
            self._windows[partition] = _empty(self._window)
        return self._windows[partition]


def _empty(window: int) -> RepeatWindow:
    return RepeatWindow(
        hashes=np.zeros(window, np.uint64),
        slots=np.zeros(1 << (2 * window - 1).bit_length(), np.int32),
        marks=np.zeros(1, np.int64),
    )


def _partitions(arrays: Mapping[str, NDArray[Any]]) -> list[int]:
    return sorted({int(name.partition(".")[0]) for name in arrays})
