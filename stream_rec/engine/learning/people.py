"""Decisions about people enter the state: who is forgotten, and which visitor became which user."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.engine.fold.catalogue import forget_user, join_users, rename_user
from stream_rec.engine.fold.reject import MAX_UNDOABLE_PER_USER
from stream_rec.engine.held import Held
from stream_rec.engine.learning.event_clock import EventClock
from stream_rec.engine.learning.user_shares import UserShares
from stream_rec.engine.names import name_of, rows_of
from stream_rec.engine.steering.decisions import Decisions
from stream_rec.feedback.attribution import Attribution
from stream_rec.kernels import pairs
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.decisions import ERASURE, MERGE, Decision, DecisionBatch, Merge


class Forgotten(NamedTuple):
    """What an engine knew of a user whom it has forgotten.

    Attributes:
        offset: of the decision, on `control`.
        user_hash: of the id.
        user_id: empty = the engine did not know the user.
        n_events: events in the history.
        n_shown: impressions and interactions that waited for each other.
        became: the user that a visitor became; empty = the user was erased.
    """

    offset: int
    user_hash: int
    user_id: str
    n_events: int
    n_shown: int
    became: str = ""


class People:
    """Forgets and joins users.

    Args:
        held: the state, changed in place.
        attribution: the join of impressions, likewise.
        others: who is loud, and whose event was the last, likewise.
        decisions: told of every decision.
    """

    def __init__(
        self,
        held: Held,
        attribution: Attribution,
        others: tuple[UserShares, EventClock],
        decisions: Decisions,
    ) -> None:
        self._held = held
        self._attribution = attribution
        self._shares, self._clock = others
        self._decisions = decisions

    def learn_all(self, batch: DecisionBatch, position: int) -> list[Forgotten]:
        """Take in decisions of all kinds from an offset on; who was forgotten."""
        forgotten = []
        for decision in batch.decisions:
            if decision.offset < position:
                continue
            if decision.kind not in (ERASURE, MERGE):
                self._decisions.learn(decision)
            elif known := self.learn(decision):
                forgotten.append(known)
        return forgotten

    def learn(self, decision: Decision) -> Forgotten | None:
        """An erasure or a merge; what was known of who is forgotten, None = it is taken back."""
        user = int(decision.name, 16)
        self._decisions.forgotten_upto = max(self._decisions.forgotten_upto, decision.offset)
        if decision.body is None:
            self._decisions.take_back(decision.kind, user)
            return None
        if isinstance(decision.body, Merge):
            return self._merge(decision, user, decision.body.user_id)
        self._decisions.forget(user, decision.broker_ts)
        return self._forget(decision.offset, user)

    def forget(self, user_id: str) -> bool:
        """Wipe a user by id; False if there was no such user."""
        data, user = _packed(user_id)
        self._forget_hash(int(user))
        return bool(forget_user(self._held.handle.state, data, user))

    def _forget(self, offset: int, user: int, became: str = "") -> Forgotten:
        row = self._row(user)
        n_shown = self._attribution.count_user(np.uint64(user))
        if row < 0:
            self._forget_hash(user)
            return Forgotten(offset, user, "", 0, n_shown, became)
        user_id = name_of(self._held.state.users, row)
        n_events = int(self._held.state.histories.n_events[row])
        self.forget(user_id)
        return Forgotten(offset, user, user_id, n_events, n_shown, became)

    def _merge(self, decision: Decision, visitor: int, user_id: str) -> Forgotten:
        data, user = _packed(user_id)
        if int(user) == visitor:  # nobody is forgotten for having become himself
            return Forgotten(decision.offset, visitor, "", 0, 0, user_id)
        self._decisions.merge(visitor, (user_id, int(user)), decision.broker_ts)
        row = self._row(visitor)
        if row < 0:
            self._said_by(visitor, user)
            return self._forget(decision.offset, visitor, user_id)
        self._held.make_room(len(data), 0)
        of_user = int(rows_of(self._held.state.users, IdColumn.of([user_id]))[0])
        if of_user >= 0:
            room = np.empty((3, 2 * self._held.state.histories.items.shape[1]), np.int32)
            join_users(self._held.handle.state, self._held.handle.rates, row, of_user, room)
            self._said_by(visitor, user)
            return self._forget(decision.offset, visitor, user_id)
        visitor_id = name_of(self._held.state.users, row)
        n_events = int(self._held.state.histories.n_events[row])
        rename_user(self._held.handle.state, row, data, user)
        self._said_by(visitor, user)
        known = self._forget(decision.offset, visitor, user_id)
        return known._replace(user_id=visitor_id, n_events=n_events)

    def _said_by(self, visitor: int, user: np.uint64) -> None:
        """Dislikes, nevers and what can be undone of a visitor are the user's (hashes)."""
        state, limit = self._held.handle.state, self._held.rates.max_blocked_per_user
        pairs.join_users(state.blocked, np.uint64(visitor), user, limit)
        pairs.join_users(state.undoable, np.uint64(visitor), user, MAX_UNDOABLE_PER_USER)

    def _forget_hash(self, user: int) -> None:
        for table in (self._held.handle.state.blocked, self._held.handle.state.undoable):
            pairs.forget_user(table, np.uint64(user))
        self._attribution.forget_user(np.uint64(user))
        self._shares.forget(user)
        self._clock.forget(user)

    def _row(self, user: int) -> int:
        """The row of a user by the hash; -1 = unknown."""
        users = self._held.state.users
        n = int(users.counters["n_rows"][0])
        rows = np.flatnonzero(users.hashes[:n] == np.uint64(user))
        return next((row for row in rows.tolist() if users.lengths[row] >= 0), -1)


def _packed(user_id: str) -> tuple[np.ndarray[tuple[int], np.dtype[np.uint8]], np.uint64]:
    return np.frombuffer(user_id.encode(), np.uint8), hash_ids(IdColumn.of([user_id]))[0]
