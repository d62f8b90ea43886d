"""Rules have changed: slates of users who are away are made again, at a bounded rate, and those that are no more go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.periodic.slate_repair import ActiveSlates
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.engine.steering.decisions import Changed
from stream_rec.engine.steering.trials import base_of
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.scenario import Scenario
from stream_rec.settings import StoreSettings
from stream_rec.store.rate import RateLimiter
from stream_rec.store.slates import SlateStore

_TOPIC: TopicName = "events"
_SLICE = 32
"""Users ranked at once: events do not wait longer than for so many."""
AFTER_TAKEOVER_SECONDS = 3600.0
"""A partition that was taken over is renewed for changes that are no older: its former owner may not have got there."""


class _Rules(NamedTuple):
    """What has changed about scenarios, and when.

    Attributes:
        changed: by scenario, the last record about it, or about who gets which arm of it.
        turns: event time (seconds) and scenario: it, or a promotion of it, has begun or was over.
        event_time: the latest, seconds.
    """

    changed: dict[str, Changed]
    turns: frozenset[tuple[float, str]]
    event_time: float

    def is_as(self, other: _Rules | None) -> bool:
        """Nothing has changed meanwhile."""
        return other is not None and (self.changed, self.turns) == (other.changed, other.turns)


class SlateRenewal:
    """Renews slates of the partitions of `events` that are ours, each for the scenarios that changed.

    Users who were active latest come first. A change that comes meanwhile begins the walk again, with all that is due.
    A scenario changes by a record, and when its time, or that of a promotion, comes or is over.

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
        self._turned: dict[int, float] = {}
        self._log = logs.get("recommend")

    async def look(self, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> int:
        """Renew what is due; the number of slates that were written or deleted. Call every second or so.

        Args:
            pause: waits so many seconds.

        Raises:
            Unavailable: Redis does not answer; look again later.
        """
        rules = await self._engine.ask(_rules)
        if rules is None:
            return 0
        due = self._due(rules)
        if not due:
            return 0
        partitions = sorted(self._done)
        rows = await self._active.rows(self._ttl)
        n = 0
        for start in range(0, len(rows), _SLICE):
            some = rows[start : start + _SLICE]
            n += await self._write(await self._active.renew(some, partitions, due), pause)
            if start + _SLICE < len(rows) and not rules.is_as(await self._engine.ask(_rules)):
                return n
        upto = max((each.offset for each in rules.changed.values()), default=-1)
        for partition in partitions:
            if partition in self._done:
                self._done[partition] = max(self._done[partition], upto)
                self._turned[partition] = rules.event_time
        self._log.info("slates renewed: the rules have changed", scenarios=sorted(due), slates=n)
        return n

    async def _write(self, renewed: ActiveSlates.Renewed, pause: Callable[[float], Awaitable[object]]) -> int:
        await pause(self._rate.reserve(len(renewed.slates) + len(renewed.gone)))
        n_deleted = await self._store.delete(renewed.gone)
        n_written = (await self._store.write(renewed.slates)).n_written if renewed.slates else 0
        await self._active.count(renewed.slates)
        return n_written + n_deleted

    def _due(self, rules: _Rules) -> frozenset[str]:
        """Scenarios that have changed since the partitions that are ours were last renewed."""
        ours = {partition for topic, partition in self._table.owned if topic == _TOPIC}
        recent_ms = (self._clock.now() - AFTER_TAKEOVER_SECONDS) * 1000
        old = max((each.offset for each in rules.changed.values() if each.broker_ts < recent_ms), default=-1)
        earlier = rules.event_time - AFTER_TAKEOVER_SECONDS
        self._done = {partition: self._done.get(partition, old) for partition in ours}
        self._turned = {partition: self._turned.get(partition, earlier) for partition in ours}
        if not ours:
            return frozenset()
        since, after = min(self._done.values()), min(self._turned.values())
        by_record = {name for name, each in rules.changed.items() if each.offset > since}
        return frozenset(by_record | {name for at, name in rules.turns if at > after})


def _rules(engine: Engine) -> _Rules | None:
    """None = rules are still being compiled: until they are in force, there is nothing to renew by."""
    if engine.is_compiling_rules:
        return None
    changed = dict(engine.decisions.changed)
    for name, at in engine.decisions.tried.items():
        for scenario in engine.decisions.scenarios_of(name):
            known = changed.get(scenario)
            changed[scenario] = at if known is None or known.offset < at.offset else known
    now = engine.event_time
    turns = [
        (at, base_of(name))
        for name, scenario in engine.decisions.trials.scenarios.items()
        for at in _turns_of(scenario)
        if 0.0 < at <= now
    ]
    return _Rules(changed, frozenset(turns), now)


def _turns_of(scenario: Scenario) -> Iterator[float]:
    yield from (scenario.valid_from, scenario.valid_until)
    for promotion in scenario.promotions:
        yield from (promotion.valid_from, promotion.valid_until)
