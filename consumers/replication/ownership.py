"""Which partitions are ours, and getting ready for those that come: learn what others have served, then begin."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress

from faust.types import TP

from stream_rec import logs
from stream_rec.bus.topics import log_id
from stream_rec.consumers.output.emitter import Emitter
from stream_rec.consumers.output.metric_points import point_records
from stream_rec.consumers.replication.follower import Follower
from stream_rec.consumers.runtime.background import aside
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.feedback.measures import Measures
from stream_rec.schemas.records import MetricPoint, TopicName
from stream_rec.schemas.topics import FOLLOWED, short_name
from stream_rec.settings import BusSettings
from stream_rec.store.markers import Markers


class Ownership:
    """Takes partitions over and lets them go; see stream_rec.bus.transport.Owner.

    Args:
        bus: addresses and limits.
        follower: learns what is not ours, and what was served before it became ours.
        engine: asked for its positions.
        measures: touched in the engine's thread only.
        markers: of the partitions of `events`.
        emitter: takes the last points of partitions that go.
        begin: lets batches of partitions come.
        look: looks whether Redis has lost slates (Rewriter.look).

    Attributes:
        log: incarnation of the topic `events`, as of the start.
        owned: topic and partition of all that is ours.
        ready: set when the first assignment is.
    """

    def __init__(
        self,
        bus: BusSettings,
        follower: Follower,
        engine: EngineThread[Engine],
        measures: Measures,
        markers: Markers,
        emitter: Emitter,
        begin: Callable[[Iterable[TP]], None],
        look: Callable[[], Awaitable[object]],
    ) -> None:
        self._bus = bus
        self._follower = follower
        self._engine = engine
        self._measures = measures
        self._markers = markers
        self._emitter = emitter
        self._begin = begin
        self._look = look
        self._logs = {name: log_id(bus, name) for name in FOLLOWED}
        self._log = logs.get("ingest")
        self.log = self._logs["events"]
        self.owned: set[tuple[TopicName, int]] = set()
        self.ready = asyncio.Event()

    async def assigned(self, starts: Mapping[TP, int | None]) -> None:
        """Follow everything else, learn `[position, committed)` of each partition, then begin with it.

        Those that have nothing to learn go on at once. The follower's slices of these partitions that are still queued
        have an epoch that has passed: the engine takes none of them after this.

        Raises:
            ConfigError: a topic was made anew since the start: what was learned belongs to another log.
            Unavailable: the broker is silent.
        """
        await aside(self._check_logs)
        self._follower.leave_to_agents(starts)
        missing = await self._engine.ask(lambda engine: self._missing(engine, starts))
        self._own(starts)
        if not self.ready.is_set() and not any(starts.values()):
            # A new group: there is nothing to lose yet, and the markers begin here.
            with suppress(Unavailable):
                await self._look()
        self._begin(set(starts) - set(missing))
        if missing:
            self._log.info("learning what has been served", partitions=len(missing))
            await self._follower.learn(missing, lambda tp: self._begin([tp]))
        self.ready.set()

    async def revoked(self, partitions: Collection[TP]) -> None:
        """They go back to the follower, which goes on where the engine stands; their last points go out."""
        if partitions:
            self._follower.leave_to_agents(())
        mine = {self._short(tp) for tp in partitions} & self.owned
        self.owned -= mine
        for name, partition in mine:
            if name == "events":
                self._markers.release(partition)
        points = await self._engine.ask(lambda _: self._release(mine))
        await self._emitter.send(point_records(points))

    def _check_logs(self) -> None:
        for name, known in self._logs.items():
            if log_id(self._bus, name) != known:
                raise ConfigError(
                    f"topic {self._bus.prefix}{name} was made anew: this worker has learned from another log",
                    fix="start the worker again",
                )

    def _missing(self, engine: Engine, starts: Mapping[TP, int | None]) -> dict[TP, int]:
        return {
            tp: committed
            for tp, committed in starts.items()
            if committed and engine.position.get(self._short(tp), -1) < committed
        }

    def _own(self, starts: Mapping[TP, int | None]) -> None:
        for tp, committed in starts.items():
            name, partition = self._short(tp)
            self.owned.add((name, partition))
            if name == "events":
                self._markers.own(partition, self.log, (committed or 0) - 1)
        self._engine.submit(lambda _: self._watch([self._short(tp) for tp in starts]))

    def _watch(self, mine: Iterable[tuple[TopicName, int]]) -> None:
        for where in mine:
            self._measures.assign(*where)

    def _release(self, mine: Iterable[tuple[TopicName, int]]) -> list[MetricPoint]:
        return [point for where in sorted(mine) for point in self._measures.release(*where)]

    def _short(self, tp: TP) -> tuple[TopicName, int]:
        name = short_name(self._bus.prefix, tp.topic)
        assert name is not None, f"{tp.topic} is not subscribed to"
        return name, tp.partition
