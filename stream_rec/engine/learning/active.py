"""Who has been here lately: the users whose slates are worth writing again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import n_rows, name_of


def active_rows(engine: Engine, within_seconds: float) -> NDArray[np.int32]:
    """Rows of the users whose last event is at most so much event time old; latest first."""
    users = engine.state.users
    n = n_rows(users)
    seen = users.seen[:n]
    rows = np.flatnonzero((users.lengths[:n] >= 0) & (seen >= engine.event_time - within_seconds))
    return rows[np.argsort(-seen[rows], kind="stable")].astype(np.int32)


def rows_with_nevers(engine: Engine) -> NDArray[np.int32]:
    """Rows of the users who have said what they do not want to see, however long ago."""
    users, blocked = engine.state.users, engine.state.blocked
    n = n_rows(users)
    has_said = np.isin(users.hashes[:n], np.unique(blocked.users[: int(blocked.counters["n_rows"][0])]))
    return np.flatnonzero((users.lengths[:n] >= 0) & has_said).astype(np.int32)


def seconds_away(engine: Engine, rows: NDArray[np.int32]) -> NDArray[np.float64]:
    """Float64 [n], the event time since the last event of the users in these rows [n]."""
    away: NDArray[np.float64] = engine.event_time - engine.state.users.seen[rows]
    return away


def user_ids(engine: Engine, rows: NDArray[np.int32]) -> list[str]:
    """Ids of the users in these rows now; rows that were given up are left out."""
    users = engine.state.users
    return [name_of(users, row) for row in rows.tolist() if users.lengths[row] >= 0]
