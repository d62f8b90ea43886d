"""The events as every peer gets them: numbers in arrays, so that peers of any environment can read them.

numpy alone is imported here: the packages of other makers live in an environment of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Events(NamedTuple):
    """n events in log order; numbers are given in the order of first appearance, from 0.

    Attributes:
        users: int32 [n].
        sessions: int32 [n], of one user each; where the log has none, a pause of `engine.session_gap_seconds` ends one.
        items: int32 [n].
        ts: float64 [n], seconds.
        values: float32 [n], e.g. ratings; NaN = none.
    """

    users: NDArray[np.int32]
    sessions: NDArray[np.int32]
    items: NDArray[np.int32]
    ts: NDArray[np.float64]
    values: NDArray[np.float32]

    def part(self, first: int, last: int) -> Events:
        """Events first..last - 1 as copies: nothing of a later event can be reached from them."""
        return Events(*(column[first:last].copy() for column in self))

    def rows(self, of: str) -> NDArray[np.int32]:
        """Whose history an event belongs to: its `user`'s or its `session`'s."""
        return self.users if of == "user" else self.sessions


class Query(NamedTuple):
    """What is asked before an event is learned; nothing in it tells the event's item.

    Attributes:
        user: who.
        session: the session that goes on, or that begins with the event.
        left_out: int32 [m], items that are no answers and may not be listed.
        k: so many items at most.
    """

    user: int
    session: int
    left_out: NDArray[np.int32]
    k: int

    def row(self, of: str) -> int:
        """As Events.rows."""
        return self.user if of == "user" else self.session


@dataclass(frozen=True, slots=True)
class Stream:
    """A log and what is asked in it.

    Attributes:
        users: as Events.
        sessions: as Events.
        items: as Events.
        ts: as Events.
        values: as Events.
        asked: bool [n], before these events every peer is asked; they count.
        rehearsed: bool [n], the same for the search of settings; all among the first events, none of them in `asked`.
        n_search: so many events are learned in the search.
        exclude_seen: a user's earlier items are left out of every ranking.
    """

    users: NDArray[np.int32]
    sessions: NDArray[np.int32]
    items: NDArray[np.int32]
    ts: NDArray[np.float64]
    values: NDArray[np.float32]
    asked: NDArray[np.bool_]
    rehearsed: NDArray[np.bool_]
    n_search: int
    exclude_seen: bool

    def __len__(self) -> int:
        """Events."""
        return len(self.items)

    @property
    def events(self) -> Events:
        """All of them."""
        return Events(self.users, self.sessions, self.items, self.ts, self.values)

    def rehearsal(self) -> Stream:
        """The part that settings are searched on."""
        n = self.n_search
        columns = {name: column[:n] for name, column in self.events._asdict().items()}
        return replace(self, **columns, asked=self.rehearsed[:n], rehearsed=np.zeros(n, np.bool_))

    def save(self, path: Path) -> None:
        """Write an npz file."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Stream:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            columns = {field.name: arrays[field.name] for field in fields(cls)}
        n_search, exclude_seen = int(columns.pop("n_search")), bool(columns.pop("exclude_seen"))
        return cls(**columns, n_search=n_search, exclude_seen=exclude_seen)
