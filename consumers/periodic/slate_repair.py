"""Redis has lost slates: write those of the partition's active users again, from what the engine knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.output.slate_encoder import SlateEncoder
from stream_rec.consumers.periodic.similar_sweep import SimilarSweep
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.engine.learning.active import active_rows, rows_with_nevers, user_ids
from stream_rec.feedback.measures import Measures
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import AsOf, TopicName
from stream_rec.settings import StoreSettings
from stream_rec.store.encoding import EncodedSlate
from stream_rec.store.markers import Markers, Rewrite
from stream_rec.store.rate import RateLimiter
from stream_rec.store.slates import SlateStore

_TOPIC: TopicName = "events"
_SLICE = 32
"""Users ranked at once: events do not wait longer than for so many."""


class ActiveSlates:
    """Makes slates of users who were active lately, without waiting for an event of theirs.

    Args:
        engine: who is active, and their rankings.
        encoder: encodes the rankings.
        as_of: the last event learned from each partition.
        table: which partition a user belongs to.
        measures: told of what is written again; touched in the engine's thread only.
    """

    def __init__(
        self,
        engine: EngineThread[Engine],
        encoder: SlateEncoder,
        as_of: AsOfTable,
        table: PartitionTable,
        measures: Measures,
    ) -> None:
        self._engine = engine
        self._encoder = encoder
        self._as_of = as_of
        self._table = table
        self._measures = measures

    async def rows(self, within_seconds: float) -> NDArray[np.int32]:
        """User rows with an event in the last so many seconds of event time, latest first."""
        return await self._engine.ask(partial(_active, within_seconds))

    async def make(self, rows: NDArray[np.int32], partitions: Collection[int]) -> list[EncodedSlate]:
        """Slates of those of these users who belong to these partitions of `events`."""
        return await self._engine.ask(partial(self._make, rows, partitions))

    async def rows_with_nevers(self) -> NDArray[np.int32]:
        """User rows that have said what they do not want to see, however long ago."""
        return await self._engine.ask(rows_with_nevers)

    async def make_nevers(self, rows: NDArray[np.int32], partitions: Collection[int]) -> list[EncodedSlate]:
        """What those of these users who belong to these partitions never want to see."""
        return await self._engine.ask(partial(self._make_nevers, rows, partitions))

    class Renewed(NamedTuple):
        """What is to be done for some users whose scenarios have changed.

        Attributes:
            slates: to be written.
            gone: scenario and user of slates that are no more.
        """

        slates: list[EncodedSlate]
        gone: list[tuple[str, str]]

    async def renew(
        self, rows: NDArray[np.int32], partitions: Collection[int], scenarios: Collection[str]
    ) -> Renewed:
        """Slates of these scenarios, of those of these users who belong to these partitions of `events`."""
        return await self._engine.ask(partial(self._renew, rows, partitions, scenarios))

    async def count(self, slates: Collection[EncodedSlate]) -> None:
        """These have been written again."""
        await self._engine.ask(partial(self._count, slates))

    def _renew(
        self,
        rows: NDArray[np.int32],
        partitions: Collection[int],
        scenarios: Collection[str],
        engine: Engine,
    ) -> Renewed:
        off = set(scenarios).difference(engine.decisions.in_force(engine.event_time))
        users = user_ids(engine, rows) if off else []
        homes = zip(users, self._partitions_of(users), strict=True) if users else ()
        gone = [(scenario, user) for user, home in homes if home in partitions for scenario in sorted(off)]
        return self.Renewed(self._make(rows, partitions, engine, scenarios), gone)

    def _make(
        self,
        rows: NDArray[np.int32],
        partitions: Collection[int],
        engine: Engine,
        only: Collection[str] | None = None,
    ) -> list[EncodedSlate]:
        slates: list[EncodedSlate] = []
        for mine, as_of in self._at_home(rows, partitions, engine):
            slates += self._encoder.encode(mine, self._encoder.rank(engine, mine, only), as_of)
            slates += self._encoder.encode_nevers(engine.nevers(mine), as_of)
        return slates

    def _make_nevers(
        self, rows: NDArray[np.int32], partitions: Collection[int], engine: Engine
    ) -> list[EncodedSlate]:
        nevers: list[EncodedSlate] = []
        for mine, as_of in self._at_home(rows, partitions, engine):
            nevers += self._encoder.encode_nevers(engine.nevers(mine), as_of)
        return nevers

    def _at_home(
        self, rows: NDArray[np.int32], partitions: Collection[int], engine: Engine
    ) -> Iterator[tuple[list[str], AsOf]]:
        """By partition: those of these users who belong to it, and up to where it is learned."""
        users = user_ids(engine, rows)
        homes = self._partitions_of(users)
        for partition in partitions:
            as_of = self._as_of.of(partition)
            mine = [user for user, home in zip(users, homes, strict=True) if home == partition]
            if as_of is not None and mine:
                yield mine, as_of

    def _count(self, slates: Collection[EncodedSlate], _: Engine) -> None:
        homes = self._partitions_of([slate.user_id for slate in slates])
        for partition, n in zip(*np.unique(homes, return_counts=True), strict=True):
            self._measures.add(_TOPIC, int(partition), "slates_rewritten", int(n), int(n))

    def _partitions_of(self, users: list[str]) -> list[int]:
        return partition_of(IdColumn.of(users), self._table.count(_TOPIC)).tolist()  # type: ignore[no-any-return]


def _active(within_seconds: float, engine: Engine) -> NDArray[np.int32]:
    return active_rows(engine, within_seconds)


class SlateRepair:
    """Looks whether Redis still has what was written to it, and writes again what it lost.

    Args:
        settings: time to live of slates, and the rate at which they are written again.
        active: makes the slates.
        store: where they go.
        markers: proof of what Redis holds.
        sweep: of the lists of similar items, which go with the slates; told to look again.
        clock: for the rate.
    """

    def __init__(
        self,
        settings: StoreSettings,
        active: ActiveSlates,
        store: SlateStore,
        markers: Markers,
        sweep: SimilarSweep,
        clock: Clock,
    ) -> None:
        self._ttl = settings.slate_ttl_seconds
        self._active = active
        self._store = store
        self._markers = markers
        self._sweep = sweep
        self._rate = RateLimiter(settings.rewrite_per_second, clock)
        self._unfinished: frozenset[int] = frozenset()
        self._log = logs.get("recommend")

    def watch(self, partition: int, log: str, committed: int | None) -> None:
        """A partition of `events` is owned: slates of everything before the committed offset should be in Redis.

        Args:
            partition: number of the partition.
            log: topic id of `events`.
            committed: the group's committed offset; None = none yet.
        """
        self._markers.own(partition, log, (committed or 0) - 1)

    def unwatch(self, partition: int) -> None:
        """The partition is not owned any more."""
        self._markers.release(partition)

    async def look(self, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> int:
        """Detect losses and make up for them; the number of slates that were written again.

        Users who were active within the slates' time to live, in event time, latest first. Slates that new events
        bring meanwhile are newer and stand.

        Args:
            pause: waits so many seconds.

        Raises:
            Unavailable: Redis does not answer; look again later.
        """
        lost = await self._markers.detect()
        if lost:
            self._sweep.restart()
        lost |= self._unfinished
        rewrites = [rewrite for partition in sorted(lost) if (rewrite := await self._begin(partition))]
        if not rewrites:
            return 0
        partitions = [rewrite.partition for rewrite in rewrites]
        n_written = await self._write_again(partitions, pause)
        for rewrite in rewrites:
            await self._complete(rewrite)
        if n_written:
            self._log.info("slates rewritten", slates=n_written, partitions=partitions)
        return n_written

    async def _write_again(
        self, partitions: Collection[int], pause: Callable[[float], Awaitable[object]]
    ) -> int:
        rows = await self._active.rows(self._ttl)
        if len(rows):
            self._log.warning("redis has lost slates; rewriting those of active users", partitions=partitions)
        n_written = 0
        for start in range(0, len(rows), _SLICE):
            slates = await self._active.make(rows[start : start + _SLICE], partitions)
            await pause(self._rate.reserve(len(slates)))
            n_written += (await self._store.write(slates)).n_written
            await self._active.count(slates)
        await self._write_nevers_again(
            np.setdiff1d(await self._active.rows_with_nevers(), rows), partitions, pause
        )
        return n_written

    async def _write_nevers_again(
        self,
        away: NDArray[np.int32],
        partitions: Collection[int],
        pause: Callable[[float], Awaitable[object]],
    ) -> None:
        """Of users who have been away for longer than slates live: they are still not to be shown what they named."""
        for start in range(0, len(away), _SLICE):
            nevers = await self._active.make_nevers(away[start : start + _SLICE], partitions)
            await pause(self._rate.reserve(len(nevers)))
            await self._store.write(nevers)

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
            self._log.warning("redis has lost slates again during the rewrite", partition=rewrite.partition)
