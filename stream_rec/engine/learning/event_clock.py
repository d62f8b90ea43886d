"""How far one event may move time: what is learned must survive a stamp that is a year ahead.

The engine's clock is the latest event time, and everything that ages goes by it. Where producers stamp records
themselves (CreateTime), one wrong clock would lead every list and make all other users look long gone. So an event more
than `JUMP_SECONDS` ahead of the clock does not move it, and counts as of the clock's time. If the log really goes on
there, after a pause, the events that follow say the same: `BELIEVED_USERS` events in a row, each of another user than
the one before it, or `BELIEVED_EVENTS` of whomever, are believed.

At the beginning there is no clock to compare with: if one of the first events is far *behind* those before it, these
were wrong, and what they taught is moved back to it.

A function of the events and their order alone; part of the engine's state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.engine.fold.state import State
from stream_rec.engine.names import n_rows
from stream_rec.errors import ConfigError
from stream_rec.kernels.vocabulary import UNUSED, UNUSED_BELOW
from stream_rec.schemas.columns import EventBatch

JUMP_SECONDS = 3 * 86_400.0
"""Longer than the pauses of ordinary logs: MovieLens 100K has one of 49 hours."""
BELIEVED_USERS = 8
BELIEVED_EVENTS = 32
SETTLED_EVENTS = 8
"""Agreeing events after which the beginning is over."""
_FORM = {"times": (np.dtype(np.float64), 2), "counts": (np.dtype(np.int64), 5)}


class EventClock:
    """The clock by which an engine judges stamps.

    Attributes:
        n_held_back: events whose stamp was not believed, ever.
    """

    def __init__(self) -> None:
        self._latest, self._waiting = 0.0, 0.0
        self._n_events, self._n_users, self._n_agreeing, self._user = 0, 0, 0, 0
        self.n_held_back = 0
        self._log = logs.get("learn")

    def judge(
        self, ts: NDArray[np.float64], users: NDArray[np.uint64], first: int
    ) -> tuple[NDArray[np.float64], tuple[int, ...]]:
        """The times that events count as, in the order of learning; to be called once for every event.

        Args:
            ts: float64 [n], seconds; not changed.
            users: uint64 [n], hashes of the users' ids.
            first: the first event that is not learned yet.

        Returns:
            float64 [n], `ts` where that is believed; and the events before which all that was learned is to be moved
            back (`move_back`), ascending: none but at the beginning of a log.
        """
        new = ts[first:]
        settled = self._n_agreeing >= SETTLED_EVENTS and not self._n_events
        if settled and (not len(new) or float(new.max()) <= self._latest + JUMP_SECONDS):
            if len(new):
                self._latest = max(self._latest, float(new.max()))
                self._user = _signed(users[-1])
            return ts, ()
        judged = ts.copy()
        back = [i for i in range(first, len(ts)) if self._judge_one(judged, i, _signed(users[i]))]
        return judged, tuple(back)

    def blame(self, batch: EventBatch, judged: NDArray[np.float64]) -> None:
        """Count the stamps that were not believed, and log the first, the tenth, the hundredth and so on."""
        held = np.flatnonzero(judged < batch.ts)
        before, self.n_held_back = self.n_held_back, self.n_held_back + len(held)
        if not len(held) or (before and len(str(before)) == len(str(self.n_held_back))):
            return
        at = int(held[0])
        self._log.warning(
            "an event is stamped far ahead of all others: it counts as of their time",
            record=f"{batch.span.topic}/{batch.span.partition}/{int(batch.offsets[at])}",
            ts=float(batch.ts[at]),
            counts_as=float(judged[at]),
            so_far=self.n_held_back,
            fix="correct the producer's clock; with message.timestamp.type=LogAppendTime on the topic such "
            "events are dead letters",
        )

    def forget(self, user: int) -> None:
        """A user (a hash) is no longer remembered as that of the last event."""
        if self._user == _signed(np.uint64(user)):
            self._user = 0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The whole state by name."""
        return {
            "times": np.array([self._latest, self._waiting]),
            "counts": np.array(
                [self._n_events, self._n_users, self._n_agreeing, self._user, self.n_held_back], np.int64
            ),
        }

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave; they fit (`check`)."""
        self._latest, self._waiting = arrays["times"].tolist()
        self._n_events, self._n_users, self._n_agreeing, self._user, self.n_held_back = arrays[
            "counts"
        ].tolist()

    @staticmethod
    def check(arrays: Mapping[str, NDArray[Any]]) -> None:
        """Could `load` take these?

        Raises:
            ConfigError: they are not its own.
        """
        for name, (dtype, n) in _FORM.items():
            given = arrays.get(name)
            if given is None or given.dtype != dtype or given.shape != (n,):
                raise ConfigError(f"the event clock's {name} do not fit", fix="start without this snapshot")

    def _judge_one(self, judged: NDArray[np.float64], i: int, user: int) -> bool:
        """Judge event i in place; True = everything before it was ahead of time."""
        ts, is_other, self._user = float(judged[i]), user != self._user, user
        if not self._n_agreeing:
            self._latest, self._n_agreeing = ts, 1
        elif self._n_agreeing < SETTLED_EVENTS and ts < self._latest - JUMP_SECONDS:
            self._latest, self._n_agreeing, self._n_events = ts, 1, 0
            return True
        elif ts > self._latest + JUMP_SECONDS:
            judged[i] = self._of_the_future(ts, is_other)
        else:
            self._latest = max(self._latest, ts)
            self._n_agreeing = min(SETTLED_EVENTS, self._n_agreeing + 1)
            self._n_events = 0
        return False

    def _of_the_future(self, ts: float, is_other: bool) -> float:
        """What an event far ahead counts as; enough of them in a row move the clock."""
        if self._n_events:
            self._n_events, self._n_users = self._n_events + 1, self._n_users + is_other
            self._waiting = min(self._waiting, ts)
        else:
            self._n_events, self._n_users, self._waiting = 1, 1, ts
        if self._n_users < BELIEVED_USERS and self._n_events < BELIEVED_EVENTS:
            return self._latest
        self._latest, self._n_events = self._waiting, 0
        if ts > self._latest + JUMP_SECONDS:
            self._n_events, self._n_users, self._waiting = 1, 1, ts
            return self._latest
        self._latest = ts
        return ts


def move_back(state: State, ts: float) -> None:
    """All that was learned so far counts as of `ts` at the latest."""
    state.clock[0] = min(state.clock[0], ts)
    for landmarks in (state.popularity.landmarks, state.transitions.clock["landmark"]):
        np.minimum(landmarks, ts, out=landmarks)
    n_items = n_rows(state.items)
    for seen in (
        state.users.seen[: n_rows(state.users)],
        state.hidden.seen[: n_rows(state.hidden)],
        state.first_seen[:n_items],
    ):
        np.minimum(seen, ts, out=seen)
    seen = state.items.seen[:n_items]
    np.minimum(seen, np.where(seen < UNUSED_BELOW, UNUSED + ts, ts), out=seen)


def _signed(user: np.uint64) -> int:
    """A hash as the state keeps it."""
    return int(user.view(np.int64))
