"""Logs whose laws change at a known event, and hit-rates along them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Judged
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.settings import EngineSettings
from tests.engine.worlds import SMALL_MEASURE, Row

K = 20
N_ITEMS = 400
BATCH = 500

Law = Callable[[np.random.Generator, int, Sequence[int]], int]
"""The next item of a user whose session holds these items so far, newest last."""


@dataclass
class Crowd:
    """Users who come for sessions of about six events, many at a time, one event every five seconds.

    Attributes:
        rng: makes all choices.
        n_users: of whom one is drawn for each session.
        now: event time.
    """

    rng: np.random.Generator
    n_users: int = 300
    now: float = 1_700_000_000.0
    _open: list[tuple[int, list[int]]] = field(default_factory=list)

    def act(self, law: Law, n: int) -> Iterator[Row]:
        """The next n events, their items drawn by a law."""
        rng = self.rng
        for _ in range(n):
            self.now += float(rng.exponential(5.0))
            if len(self._open) < 40:
                self._open.append((int(rng.integers(self.n_users)), []))
            at = int(rng.integers(len(self._open)))
            user, session = self._open[at]
            session.append(law(rng, user, session))
            yield f"u{user}", f"i{session[-1]}", self.now
            if rng.random() < 1 / 6:
                del self._open[at]


def uniform(rng: np.random.Generator, _user: int, _session: Sequence[int]) -> int:
    """Any item: nothing to be known."""
    return int(rng.integers(N_ITEMS))


def chain(seed: int, share: float = 0.7) -> Law:
    """A first-order Markov chain: each item has one that follows it in a share of cases, else any does."""
    follower = np.random.default_rng(seed).permutation(N_ITEMS)

    def law(rng: np.random.Generator, user: int, session: Sequence[int]) -> int:
        if session and rng.random() < share:
            return int(follower[session[-1]])
        return uniform(rng, user, session)

    return law


def popular(seed: int, exponent: float = 1.2) -> Law:
    """Items have their popularity (Zipf), and nothing else tells the next one."""
    ranks = np.arange(1, N_ITEMS + 1.0) ** -exponent
    upto = np.cumsum(ranks / ranks.sum())
    order = np.random.default_rng(seed).permutation(N_ITEMS)
    return lambda rng, _user, _session: int(order[min(np.searchsorted(upto, rng.random()), N_ITEMS - 1)])


def repeats(share: float = 0.7) -> Law:
    """People return to the items of their session; else to any."""

    def law(rng: np.random.Generator, user: int, session: Sequence[int]) -> int:
        if session and rng.random() < share:
            return int(rng.choice(session))
        return uniform(rng, user, session)

    return law


def shop(seed: int) -> Law:
    """Sessions begin with what is popular and mostly go along a chain."""
    first, then = popular(seed), chain(seed, 0.8)

    def law(rng: np.random.Generator, user: int, session: Sequence[int]) -> int:
        return (then if session and rng.random() < 0.7 else first)(rng, user, session)

    return law


def tastes(shift: int, size: int = 25) -> Law:
    """Users like one group of items each; all like another one with another shift."""
    n_groups = N_ITEMS // size

    def law(rng: np.random.Generator, user: int, _session: Sequence[int]) -> int:
        return (user + shift) % n_groups * size + int(rng.integers(size))

    return law


def engine() -> Engine:
    """Small in rows, the defaults in everything that decides how it learns."""
    return Engine(EngineSettings(max_users=8192, max_items=512, train_first=0), SMALL_MEASURE)


def learn(e: Engine, rows: Iterable[Row], partition: int = 0) -> list[Judged]:
    """Learn rows at a partition's next offsets, every one judged before it is learned."""
    return [e.learn(part, judge_all=True).fresh for part in _batches(e, list(rows), partition)]


def only_learn(e: Engine, rows: Iterable[Row], partition: int = 0) -> None:
    """The same, with only the training sample judged."""
    for part in _batches(e, list(rows), partition):
        e.learn(part)


def _batches(e: Engine, rows: list[Row], partition: int) -> Iterator[EventBatch]:
    for at in range(0, len(rows), BATCH):
        part = rows[at : at + BATCH]
        start = e.position.get(("events", partition), 0)
        yield EventBatch.of(part, span=Span("events", partition, 0, start, start + len(part)))


class HitRates:
    """Hit-rates at 20 over the events of some judgements, in their order."""

    def __init__(self, judged: Sequence[Judged]) -> None:
        self._blend = _hits([j.rank for j in judged])
        self._alone = _hits([j.rank_by_source for j in judged])
        self._popular = _hits([j.popularity for j in judged])

    def of_blend(self, first: int, last: int) -> float:
        """Of all sources together."""
        return float(self._blend[first:last].mean())

    def of_best_source(self, first: int, last: int) -> float:
        """Of the source that was best alone in just this part."""
        return float(self._alone[first:last].mean(axis=0).max())

    def of_popularity(self, first: int, last: int) -> float:
        """Of one list for everybody."""
        return float(self._popular[first:last].mean())


def _hits(ranks: Sequence[NDArray[np.int32]]) -> NDArray[np.bool_]:
    joined = np.concatenate(ranks)
    return (joined > 0) & (joined <= K)
