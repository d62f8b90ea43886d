"""The rules that all peers are run by: ask, count, then learn; and the search of their settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.peers.stream import Events, Query, Stream

K = 20
SEARCH_SHARE = 0.5
"""Of a peer's time cap, for trying settings."""

Settings = Mapping[str, Any]


class Ranking(NamedTuple):
    """An answer.

    Attributes:
        items: int [m], best first, no item twice, none that was left out.
        scores: float [m], descending; None = the peer does not tell, and its order is taken as it stands.
    """

    items: NDArray[Any]
    scores: NDArray[Any] | None


NOTHING = Ranking(np.zeros(0, np.int64), None)


class Peer(Protocol):
    """What can be compared."""

    def learn(self, events: Events) -> None:
        """Learn events that come after all that were learned before, in their order."""

    def rank(self, query: Query) -> Ranking:
        """The best of all items that were ever seen; changes nothing that is learned."""


Make = Callable[[Settings], Peer]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One peer's way through a stream.

    Attributes:
        ranks: int32 [q] in the order asked; 0 = miss.
        learn_seconds: for all events.
        rank_seconds: float64 [q].
        n_learned: events, fewer than the stream has if time ran out.
    """

    ranks: NDArray[np.int32]
    learn_seconds: float
    rank_seconds: NDArray[np.float64]
    n_learned: int

    @property
    def seconds(self) -> float:
        """Learning and ranking."""
        return self.learn_seconds + float(self.rank_seconds.sum())

    def mrr(self) -> float:
        """MRR@K."""
        return float((1.0 / self.ranks[self.ranks > 0]).sum()) / max(1, len(self.ranks))


def rank_of(target: int, ranking: Ranking, k: int) -> int:
    """Where the target stands, from 1; 0 if it is not among the first k.

    Equal scores count against the peer: the target stands below all items that score as much. A peer is asked for one
    item more than count, so that a tie at the end of the list is seen.
    """
    at = np.flatnonzero(ranking.items == target)
    if not len(at):
        return 0
    place = int(at[0])
    rank = place + 1 if ranking.scores is None else int((ranking.scores >= ranking.scores[place]).sum())
    return rank if rank <= k else 0


def prequential(stream: Stream, peer: Peer, *, k: int = K, seconds: float = float("inf")) -> Outcome:
    """Take a fresh peer through a stream.

    Args:
        stream: events, and which of them are asked for.
        peer: is given every event once, and none before it was asked for.
        k: a rank beyond it is a miss.
        seconds: of learning and ranking, after which the run is given up.
    """
    seen = SeenItems(stream)
    ranks: list[int] = []
    times: list[float] = []
    learn_seconds, at = 0.0, 0
    for row in [*np.flatnonzero(stream.asked).tolist(), len(stream)]:
        learn_seconds += _timed(lambda first=at, last=row: peer.learn(stream.events.part(first, last)))
        at = row
        if row == len(stream) or learn_seconds + sum(times) > seconds:
            break
        query = Query(int(stream.users[row]), int(stream.sessions[row]), seen.before(row), k + 1)
        began = time.perf_counter()
        ranking = peer.rank(query)
        times.append(time.perf_counter() - began)
        ranks.append(rank_of(int(stream.items[row]), ranking, k))
    return Outcome(np.array(ranks, np.int32), learn_seconds, np.array(times), at)


class SeenItems:
    """Every user's items so far, for streams that leave them out; rows are visited once, in order."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._seen: dict[int, list[int]] = {}
        self._at = 0

    def before(self, row: int) -> NDArray[np.int32]:
        """The items of the row's user in the rows before it."""
        if not self._stream.exclude_seen:
            return np.zeros(0, np.int32)
        users, items = self._stream.users[self._at : row], self._stream.items[self._at : row]
        for user, item in zip(users.tolist(), items.tolist(), strict=True):
            self._seen.setdefault(user, []).append(item)
        self._at = row
        return np.unique(np.array(self._seen.get(int(self._stream.users[row]), []), np.int32))


class Found(NamedTuple):
    """What a search came to.

    Attributes:
        settings: the best by MRR@K.
        n_tried: of them, before time ran out.
        n_settings: in the grid that make sense on the stream.
        given_up: how far the first setting came, if there was no time for even one.
    """

    settings: Settings
    n_tried: int
    n_settings: int
    given_up: Outcome | None = None


def search(stream: Stream, make: Make, grid: Sequence[Settings], *, seconds: float) -> Found:
    """Try settings on the first part of a stream, in the grid's order, until the time is up.

    A setting that is not done in time is not judged.
    """
    grid = fitting(stream, grid)
    if len(grid) == 1:
        return Found(grid[0], 1, 1)
    began, best, settings, n_tried = time.perf_counter(), -1.0, grid[0], 0
    for candidate in grid:
        left = seconds - (time.perf_counter() - began)
        outcome = prequential(stream.rehearsal(), make(candidate), seconds=left)
        if outcome.n_learned < stream.n_search:
            if not n_tried:
                return Found(candidate, 0, len(grid), outcome)
            break
        n_tried += 1
        if outcome.mrr() > best:
            best, settings = outcome.mrr(), candidate
    return Found(settings, n_tried, len(grid))


def fitting(stream: Stream, grid: Sequence[Settings]) -> list[Settings]:
    """The settings that make sense on this stream, none of them twice.

    Values are learned only where every event has one; where every user has one session, their rows are the same.
    """
    some_lack_values = bool(np.isnan(stream.values).any())
    one_session = np.array_equal(stream.users, stream.sessions)
    out: list[Settings] = []
    for settings in grid:
        if one_session and "of" in settings:
            settings = {**settings, "of": "session"}
        if settings not in out and not (some_lack_values and settings.get("target") == "value"):
            out.append(settings)
    return out


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
