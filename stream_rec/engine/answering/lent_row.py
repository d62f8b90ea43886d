"""A user row for the length of one call: sessions of nobody are ranked as if they were a new user's history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from stream_rec.engine.fold.state import State
from stream_rec.engine.held import Held
from stream_rec.engine.state.layout import leaves, owner_of
from stream_rec.kernels.codes import SESSION_START, code_of


class LentRow:
    """Lends the last user row: usually nobody's. If it is somebody's, it is as it was afterwards, bit for bit.

    Args:
        held: the state.
    """

    def __init__(self, held: Held) -> None:
        self._held = held
        self._known: State | None = None
        self._arrays: list[NDArray[Any]] = []

    @contextmanager
    def having(self, items: Sequence[int]) -> Iterator[int]:
        """The row of a user who has had these items, in one session, and nothing else. Inside, the state is read only.

        Args:
            items: rows, the latest last; of more than the ring has room for, the latest.
        """
        state = self._held.state
        if state is not self._known:
            self._known = state
            self._arrays = [array for path, array in leaves(state) if owner_of(path) == "user"]
        row, length = state.histories.items.shape[0] - 1, state.histories.items.shape[1]
        before = [array[row].copy() for array in self._arrays]
        try:
            for array in self._arrays:
                array[row] = 0
            recent = items[-length:]
            for at, item in enumerate(recent):
                mark = 0 if at else SESSION_START
                state.histories.items[row, at] = code_of(item, state.generation) | mark
            state.histories.n_events[row] = len(recent)
            yield row
        finally:
            for array, kept in zip(self._arrays, before, strict=True):
                array[row] = kept
