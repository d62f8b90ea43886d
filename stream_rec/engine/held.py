"""What an engine holds in memory: the state, the working memory and the rates, and the one handle on all three."""

from __future__ import annotations

from stream_rec.engine.fold.handle import Handle, hold
from stream_rec.engine.fold.state import State
from stream_rec.engine.names import with_room
from stream_rec.engine.state import create
from stream_rec.settings import EngineSettings


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
        self.handle: Handle = hold(state, self.query, self.rates)

    def make_room(self, user_bytes: int, item_bytes: int, hidden_bytes: int = 0) -> None:
        """For the ids of new users, items and hidden items."""
        state = self.state
        users, items = with_room(state.users, user_bytes), with_room(state.items, item_bytes)
        hidden = with_room(state.hidden, hidden_bytes)
        if users is not state.users or items is not state.items or hidden is not state.hidden:
            self.state = state._replace(users=users, items=items, hidden=hidden)
