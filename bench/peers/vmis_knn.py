"""VMIS-kNN, the session neighbours of Serenade (Kersbergen, Sprangers & Schelter, SIGMOD 2022), with a growing index.

The published index is built once from sessions that have ended. Here every event joins it at once, so sessions that go
on are neighbours too, with the items they have so far; a session is never its own neighbour.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bench.peers.histories import NONE, Histories, append, last_items
from bench.peers.protocol import NOTHING, Ranking, Settings
from bench.peers.stream import Events, Query
from bench.peers.top import top

LONGEST_SESSION = 200
"""Events of a row that are looked at, the latest ones."""


class VmisKnn:
    """Items of the k most similar among the m most recent sessions that share an item with the evolving session.

    Settings:
        of: rows are `session`s or `user`s.
        m: recent sessions.
        k: neighbours.
        last: different items of the evolving session that are looked at.
        repeats: may the session's last item be listed? The published algorithm says no.
    """

    def __init__(self, settings: Settings) -> None:
        self._of: str = settings["of"]
        self._m: int = settings["m"]
        self._k: int = settings["k"]
        self._last: int = settings["last"]
        self._repeats: bool = settings["repeats"]
        self._histories = Histories.empty()
        self._sessions_with = np.zeros(0, np.int32)
        self._n_sessions = np.zeros(1, np.int64)

    def learn(self, events: Events) -> None:
        """Append to the index."""
        rows, items = events.rows(self._of), events.items
        self._histories = self._histories.with_room(rows, items)
        missing = len(self._histories.last_of_item) - len(self._sessions_with)
        self._sessions_with = np.concatenate((self._sessions_with, np.zeros(missing, np.int32)))
        _learn(self._histories, self._sessions_with, self._n_sessions, rows, items)

    def rank(self, query: Query) -> Ranking:
        """Only items of neighbours are listed."""
        row = query.row(self._of)
        session = last_items(self._histories, row, self._last)
        if not len(session):
            return NOTHING
        rows, similarity = _recent(self._histories, row, session, self._m)
        best = np.lexsort((-np.arange(len(rows)), similarity))[::-1][: self._k]
        scores = _scores(
            self._histories, session, rows[best], similarity[best], self._sessions_with, self._n_sessions[0]
        )
        if not self._repeats:
            scores[session[0]] = -np.inf
        return top(scores, query.left_out, query.k)


@njit(cache=True)
def _learn(
    h: Histories,
    sessions_with: NDArray[np.int32],
    n_sessions: NDArray[np.int64],
    rows: NDArray[np.int32],
    items: NDArray[np.int32],
) -> None:
    for event in range(len(items)):
        row, item = rows[event], items[event]
        n_sessions[0] += h.last_in_row[row] == NONE
        earlier = h.last_in_row[row]
        for _ in range(LONGEST_SESSION):
            if earlier == NONE or h.item[earlier] == item:
                break
            earlier = h.before_in_row[earlier]
        if earlier == NONE or h.item[earlier] != item:
            sessions_with[item] += 1
        append(h, row, item)


@njit(cache=True)
def _recent(
    h: Histories, own: int, session: NDArray[np.int32], m: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The m rows that had one of the items most recently, latest first, and their similarities.

    An item of the evolving session adds its place / length, so the latest adds 1 (pi of the paper).
    """
    at = np.empty(len(session), np.int32)
    for i in range(len(session)):
        at[i] = h.last_of_item[session[i]]
    rows, similarity = np.empty(m, np.int32), np.zeros(m)
    counted = np.zeros((m, len(session)), np.bool_)
    place_of: dict[int, int] = {}
    n = 0
    while True:
        latest = 0
        for i in range(1, len(session)):
            if at[i] > at[latest]:
                latest = i
        event = at[latest]
        if event == NONE:
            break
        at[latest] = h.before_of_item[event]
        row = h.row[event]
        if row == own:
            continue
        if row not in place_of:
            if n == m:
                break
            place_of[row] = n
            rows[n] = row
            n += 1
        place = place_of[row]
        if not counted[place, latest]:
            counted[place, latest] = True
            similarity[place] += (len(session) - latest) / len(session)
    return rows[:n], similarity[:n]


@njit(cache=True)
def _scores(
    h: Histories,
    session: NDArray[np.int32],
    rows: NDArray[np.int32],
    similarity: NDArray[np.float64],
    sessions_with: NDArray[np.int32],
    n_sessions: int,
) -> NDArray[np.float64]:
    """Sum over neighbours: lambda(place of the latest shared item) x similarity x idf, each item once a neighbour."""
    n_items = len(h.last_of_item)
    scores = np.full(n_items, -np.inf)
    place_of, added_for = np.full(n_items, len(session)), np.full(n_items, NONE)
    for place in range(len(session)):
        place_of[session[place]] = place
    for n in range(len(rows)):
        first_match, event = len(session), h.last_in_row[rows[n]]
        for _ in range(LONGEST_SESSION):
            if event == NONE:
                break
            first_match = min(first_match, place_of[h.item[event]])
            event = h.before_in_row[event]
        weight = max(0.0, 1.0 - 0.1 * (first_match + 1)) * similarity[n]
        event = h.last_in_row[rows[n]]
        for _ in range(LONGEST_SESSION):
            if event == NONE:
                break
            item = h.item[event]
            if added_for[item] != n:
                added_for[item] = n
                idf = np.log(n_sessions / sessions_with[item])
                scores[item] = max(scores[item], 0.0) + weight * idf
            event = h.before_in_row[event]
    return scores
