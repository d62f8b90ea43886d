"""What an engine holds in memory: the state, the working memory and the rates, and the one handle on all three."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.handle import Handle, hold
from stream_rec.engine.fold.state import Query, Rates, State
from stream_rec.engine.names import with_room
from stream_rec.engine.state import create
from stream_rec.settings import EngineSettings


class Memory(Protocol):
    """What a ranking reads, and works in."""

    @property
    def state(self) -> State:
        """All that is learned; read only."""

    @property
    def query(self) -> Query:
        """Working memory of one query."""

    @property
    def rates(self) -> Rates:
        """What the kernels need of the settings."""

    @property
    def handle(self) -> Handle:
        """All three, for the kernels that Python calls."""


class Held:
    """An empty state and its working memory.

    Attributes:
        query: working memory of one query.
        rates: what the kernels need of the settings.
        handle: for the kernels that Python calls; another one whenever the state is replaced.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.query = create.query(settings)
        self.rates = create.rates(settings)
        self.state = create.empty_state(settings)

    @property
    def state(self) -> State:
        """All that is learned."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state
        self._n_learned: NDArray[np.int64] = state.counters["n_learned"]
        self.handle: Handle = hold(state, self.query, self.rates)

    @property
    def n_learned(self) -> int:
        """Events learned, ever: asked for between one judged event and the next, where a record's field takes long."""
        return int(self._n_learned[0])

    def make_room(
        self,
        user_bytes: int,
        item_bytes: int,
        hidden_bytes: int = 0,
        windowed_bytes: int = 0,
        text_bytes: int = 0,
    ) -> None:
        """For the ids of new users, items, hidden items and items with a window, and for texts of the catalogue."""
        needed = {"users": user_bytes, "items": item_bytes, "hidden": hidden_bytes}
        needed |= {"windowed": windowed_bytes, "texts": text_bytes}
        larger: dict[str, Any] = {}
        for name, n_bytes in needed.items():
            held = getattr(self.state, name)
            if (roomy := with_room(held, n_bytes)) is not held:
                larger[name] = roomy
        if larger:
            self.state = self.state._replace(**larger)


class SideMemory:
    """The state of another, and a working memory of one's own.

    Args:
        held: whose state is read.
        query: the working memory.
    """

    def __init__(self, held: Held, query: Query) -> None:
        self._held = held
        self.query = query
        self.rates = held.rates
        self._known = held.state
        self._handle: Handle = hold(self._known, query, self.rates)

    @property
    def state(self) -> State:
        """All that is learned; read only."""
        return self._held.state

    @property
    def handle(self) -> Handle:
        """For the kernels that Python calls."""
        if self._known is not self._held.state:
            self._known = self._held.state
            self._handle = hold(self._known, self.query, self.rates)
        return self._handle
