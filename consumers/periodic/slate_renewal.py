"""Rules have changed: slates of users who are away are made again, at a bounded rate, and those that are no more go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.periodic.slate_repair import ActiveSlates
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.engine.steering.decisions import Changed
from stream_rec.schemas.records import TopicName
from stream_rec.settings import StoreSettings
from stream_rec.store.rate import RateLimiter
from stream_rec.store.slates import SlateStore

_TOPIC: TopicName = "events"
_SLICE = 32
"""Users ranked at once: events do not wait longer than for so many."""
AFTER_TAKEOVER_SECONDS = 3600.0
"""A partition that was taken over is renewed for changes that are no older: its former owner may not have got there."""


class SlateRenewal:
    """Renews slates of the partitions of `events` that are ours, each for the scenarios that changed.

    Users who were active latest come first. A change that comes meanwhile begins the walk again, with all that is due.

    Args:
        settings: time to live of slates, and the rate at which they are written again.
        engine: knows which scenarios have changed.
        active: makes the slates.
        store: where they go.
        table: which partitions are ours.
        clock: for the rate, and for how old a change is.
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
        self._ttl = settings.slate_ttl_seconds
        self._engine = engine
        self._active = active
        self._store = store
        self._table = table
        self._clock = clock
        self._rate = RateLimiter(settings.rewrite_per_second, clock)
        self._done: dict[int, int] = {}
        self._log = logs.get("recommend")

    async def look(self, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> int:
        """Renew what is due; the number of slates that were written or deleted. Call every second or so.

        Args:
            pause: waits so many seconds.

        Raises:
            Unavailable: Redis does not answer; look again later.
        """
        changed = await self._engine.ask(_changed)
        if changed is None:
            return 0
        due = self._due(changed)
        if not due:
            return 0
        upto = max(changed[name].offset for name in due)
        partitions = sorted(self._done)
        rows = await self._active.rows(self._ttl)
        n = 0
        for start in range(0, len(rows), _SLICE):
            some = rows[start : start + _SLICE]
            n += await self._write(await self._active.renew(some, partitions, due), pause)
            if start + _SLICE < len(rows) and await self._engine.ask(_changed) != changed:
                return n
        for partition in partitions:
            if partition in self._done:
                self._done[partition] = max(self._done[partition], upto)
        self._log.info("slates renewed: the rules have changed", scenarios=sorted(due), slates=n)
        return n

    async def _write(self, renewed: ActiveSlates.Renewed, pause: Callable[[float], Awaitable[object]]) -> int:
        await pause(self._rate.reserve(len(renewed.slates) + len(renewed.gone)))
        n_deleted = await self._store.delete(renewed.gone)
        n_written = (await self._store.write(renewed.slates)).n_written if renewed.slates else 0
        await self._active.count(renewed.slates)
        return n_written + n_deleted

    def _due(self, changed: Mapping[str, Changed]) -> frozenset[str]:
        """Scenarios that have changed since the partitions that are ours were last renewed."""
        ours = {partition for topic, partition in self._table.owned if topic == _TOPIC}
        recent_ms = (self._clock.now() - AFTER_TAKEOVER_SECONDS) * 1000
        old = max((each.offset for each in changed.values() if each.broker_ts < recent_ms), default=-1)
        self._done = {partition: self._done.get(partition, old) for partition in ours}
        since = min(self._done.values(), default=None)
        if since is None:
            return frozenset()
        return frozenset(name for name, each in changed.items() if each.offset > since)


def _changed(engine: Engine) -> dict[str, Changed] | None:
    """By scenario, also where it is who gets which arm of it that has changed.

    None = rules are still being compiled: until they are in force, there is nothing to renew by.
    """
    if engine.is_compiling_rules:
        return None
    changed = dict(engine.decisions.changed)
    for name, at in engine.decisions.tried.items():
        for scenario in engine.decisions.scenarios_of(name):
            known = changed.get(scenario)
            changed[scenario] = at if known is None or known.offset < at.offset else known
    return changed
