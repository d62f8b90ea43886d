"""Availability windows open and close by event time, at fixed event counts: a function of the log alone."""

from __future__ import annotations

import numpy as np

from stream_rec.engine.fold import windows
from stream_rec.engine.fold.state import State
from stream_rec.engine.held import Held
from stream_rec.engine.names import n_rows, name_of
from stream_rec.engine.spaces.item_vectors import VectorIndex

EVERY = 16
"""Learned events between two looks at the clock."""
MAX_MOVED = 16_384
"""Items whose window has opened or closed that are kept for who writes them to Redis."""


class Windows:
    """Lets windows open and close.

    Args:
        held: the state, changed in place.
        vectors: knows at once what may be shown.
    """

    def __init__(self, held: Held, vectors: VectorIndex) -> None:
        self._held = held
        self._vectors = vectors
        self._moved: dict[str, None] = {}

    def due_in(self, n_learned: int) -> int:
        """Events until the next look, 1 to EVERY; without windows, more than there will ever be."""
        return EVERY - n_learned % EVERY if n_rows(self._held.state.windowed) else 1 << 62

    def after(self) -> None:
        """Called when events were learned: look if the count says so."""
        n_learned = self._held.n_learned
        if n_learned == EVERY:  # before the first event, windows went by the broker's time
            judge_anew(self._held.state)
        if n_learned % EVERY == 0:
            self._look()

    def take_moved(self) -> list[str]:
        """Ids of items whose window has opened or closed since the last call; the latest MAX_MOVED of them."""
        moved, self._moved = list(self._moved), {}
        return moved

    def _look(self) -> None:
        while (row := int(windows.due(self._held.handle.state))) >= 0:
            state = self._held.state
            self._held.make_room(0, 0, int(state.windowed.lengths[row]))
            state = self._held.state
            if windows.turn(self._held.handle.state, row):
                self._tell(name_of(state.windowed, row))
                item = int(windows.item_row(self._held.handle.state, row))
                if item >= 0:
                    self._vectors.update_one(state, item)
                    _touch(state, item)
        self._vectors.settle()

    def _tell(self, item_id: str) -> None:
        self._moved.pop(item_id, None)
        self._moved[item_id] = None
        while len(self._moved) > MAX_MOVED:
            del self._moved[next(iter(self._moved))]


def _touch(state: State, item: int) -> None:
    """Rules that go by its age ask anew: an item that opens without having been used is new from then on."""
    own = state.columns
    own.version[0] += 1
    own.changed[item] = own.version[0]


def judge_anew(state: State) -> None:
    """The clock has gone back: every window is looked at again."""
    state.windows.due[: n_rows(state.windowed)] = -np.inf
