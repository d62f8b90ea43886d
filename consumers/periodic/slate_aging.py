"""Slates of users who are away age, too: they are made anew at a bounded rate, of what is learned meanwhile."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.periodic.slate_repair import ActiveSlates
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.engine.learning.active import active_rows, seconds_away
from stream_rec.schemas.records import TopicName
from stream_rec.settings import StoreSettings
from stream_rec.store.rate import RateLimiter
from stream_rec.store.slates import SlateStore

_TOPIC: TopicName = "events"
_SLICE = 32
"""Users ranked at once: events do not wait longer than for so many."""
_SPREAD = 0.8
"""The share of the time between two walks that a walk takes, if `store.rewrite_per_second` allows it."""


class _Away(NamedTuple):
    """Users who have been away, those who left last first.

    Attributes:
        rows: int32 [n].
        seconds: float64 [n], of event time since the last event of each.
    """

    rows: NDArray[np.int32]
    seconds: NDArray[np.float64]


class SlateAging:
    """Walks through the users of our partitions of `events` who may still have a slate, and renews all that are old.

    A walk begins every `interval` seconds, half of `store.renew_after_seconds`, and renews slates of users who have
    been away for longer than that: so none is older than the setting by much. It lives as long as if it had not been
    renewed: `store.slate_ttl_seconds` from the user's last event on.

    Args:
        settings: of the store.
        engine: knows who is away.
        active: makes the slates.
        store: where they go.
        table: which partitions are ours.
        clock: for the rate.
    """

    def __init__(
        self,
        settings: StoreSettings,
        engine: EngineThread[Engine],
        active: ActiveSlates,
        store: SlateStore,
        table: PartitionTable,
        clock: Clock,
    ) -> None:
        self.interval = settings.renew_after_seconds / 2
        self._ttl = float(settings.slate_ttl_seconds)
        self._most_per_second = settings.rewrite_per_second
        self._engine = engine
        self._active = active
        self._store = store
        self._table = table
        self._clock = clock
        self._log = logs.get("recommend")

    async def walk(self, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> int:
        """Renew what is old; the number of slates that were written. Call every `interval` seconds.

        Args:
            pause: waits so many seconds.

        Raises:
            Unavailable: Redis does not answer; walk again later.
        """
        away = await self._engine.ask(partial(_away, self.interval, self._ttl))
        per_second = min(self._most_per_second, len(away.rows) / (self.interval * _SPREAD) + 1.0)
        rate, n = RateLimiter(per_second, self._clock), 0
        for start in range(0, len(away.rows), _SLICE):
            some = away.rows[start : start + _SLICE]
            await pause(rate.reserve(len(some)))
            ours = sorted(partition for topic, partition in self._table.owned if topic == _TOPIC)
            slates = await self._active.make(some, ours)
            left = max(1, math.ceil(self._ttl - away.seconds[start]))
            n += (await self._store.write(slates, ttl_seconds=left)).n_written
            await self._active.count(slates)
        if n:
            self._log.info("slates of users who are away were renewed", users=len(away.rows), slates=n)
        return n


def _away(longer: float, at_most: float, engine: Engine) -> _Away:
    rows = active_rows(engine, at_most)
    seconds = seconds_away(engine, rows)
    return _Away(rows[seconds > longer], seconds[seconds > longer])
