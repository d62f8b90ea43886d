"""Redis has lost slates: write those of the partition's active users again, from what the engine knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.handlers.events import TOPIC, EventsHandler
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.active import active_rows, user_ids
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.settings import EngineSettings, StoreSettings
from stream_rec.store.encoding import EncodedSlate
from stream_rec.store.markers import Markers, Rewrite
from stream_rec.store.rate import RateLimiter
from stream_rec.store.slates import SlateStore

_SLICE = 32
"""Users ranked at once: events do not wait longer than for so many."""


class Rewriter:
    """Looks whether Redis still has what was written to it, and writes again what it lost.

    Args:
        store: time to live and rate.
        engine_settings: the scenarios.
        engine: who is active, and their slates.
        events: encodes slates, knows up to where they know.
        slates: where they go.
        markers: of the partitions that are ours.
        measures: touched in the engine's thread only.
        clock: for the rate.
    """

    def __init__(
        self,
        store: StoreSettings,
        engine_settings: EngineSettings,
        engine: EngineThread[Engine],
        events: EventsHandler,
        slates: SlateStore,
        markers: Markers,
        measures: Measures,
        clock: Clock,
    ) -> None:
        self._ttl = store.slate_ttl_seconds
        self._scenarios = tuple(engine_settings.scenarios)
        self._engine = engine
        self._events = events
        self._slates = slates
        self._markers = markers
        self._measures = measures
        self._rate = RateLimiter(store.rewrite_per_second, clock)
        self._unfinished: frozenset[int] = frozenset()
        self._log = logs.get("recommend")

    async def look(self, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> int:
        """Detect losses and make up for them; how many slates were written again.

        Users who were active within the slates' time to live, in event time, latest first. Slates that new events
        bring meanwhile are newer and stand.

        Args:
            pause: waits so many seconds.

        Raises:
            Unavailable: Redis does not answer; look again later.
        """
        lost = await self._markers.detect() | self._unfinished
        rewrites = [rewrite for partition in sorted(lost) if (rewrite := await self._begin(partition))]
        if not rewrites:
            return 0
        partitions = [rewrite.partition for rewrite in rewrites]
        rows = await self._engine.ask(lambda engine: active_rows(engine, self._ttl))
        if len(rows):
            self._log.warning("redis has lost slates: writing them again", partitions=partitions)
        n_written = 0
        for start in range(0, len(rows), _SLICE):
            some = rows[start : start + _SLICE]
            slates = await self._engine.ask(partial(self._rank, some, partitions))
            await pause(self._rate.reserve(len(slates)))
            n_written += (await self._slates.write(slates)).n_written
            await self._engine.ask(partial(self._count, slates))
        for rewrite in rewrites:
            await self._complete(rewrite)
        if n_written:
            self._log.info("slates written again", slates=n_written, partitions=partitions)
        return n_written

    async def _begin(self, partition: int) -> Rewrite | None:
        """Mark a partition as being rewritten, until `_complete`; None when it is not ours any more."""
        self._unfinished |= {partition}
        try:
            return await self._markers.begin(partition)
        except KeyError:
            self._unfinished -= {partition}
            return None

    async def _complete(self, rewrite: Rewrite) -> None:
        is_whole = await self._markers.complete(rewrite)
        self._unfinished -= {rewrite.partition}
        if not is_whole:
            self._log.warning("redis lost slates again meanwhile", partition=rewrite.partition)

    def _rank(self, rows: NDArray[np.int32], lost: Collection[int], engine: Engine) -> list[EncodedSlate]:
        users = user_ids(engine, rows)
        places = partition_of(IdColumn.of(users), self._events.n_partitions).tolist()
        slates: list[EncodedSlate] = []
        # Users of a partition that was added may have had all their events on another.
        newest = max(self._events.latest.values(), key=lambda as_of: as_of.broker_ts, default=None)
        for partition in lost:
            as_of = self._events.latest.get(partition, newest)
            mine = [user for user, place in zip(users, places, strict=True) if place == partition]
            if as_of is None or not mine:
                continue
            for scenario in self._scenarios:
                ranked = engine.recommend(mine, scenario=scenario)
                slates += self._events.encode(mine, ranked, as_of, scenario)
        return slates

    def _count(self, slates: Collection[EncodedSlate], _: Engine) -> None:
        places = partition_of(IdColumn.of([slate.user_id for slate in slates]), self._events.n_partitions)
        for partition, n in zip(*np.unique(places, return_counts=True), strict=True):
            self._measures.add(TOPIC, int(partition), "slates_rewritten", int(n), int(n))
