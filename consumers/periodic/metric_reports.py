"""What a worker tells about itself, every second: metric points, last values, lag."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from stream_rec.clock import Clock
from stream_rec.consumers.output.emitter import Emitter
from stream_rec.consumers.output.metric_points import point_records
from stream_rec.consumers.replication.follower import Follower
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.schemas.records import MetricPoint, TopicName
from stream_rec.store.last_values import LastValuesStore


class Reach(NamedTuple):
    """How far a partition that is ours has been done.

    Attributes:
        topic: without the prefix.
        partition: of that topic.
        end: the next offset to be written to it.
        committed: the next offset to be done.
    """

    topic: str
    partition: int
    end: int
    committed: int


class Reports:
    """Sends figures where they belong.

    Args:
        engine: its figures.
        measures: touched in the engine's thread only, but for reading.
        emitter: publishes points.
        last_values: for those who have no Prometheus.
        reach: asked for the lag.
        follower: asked for its own.
        clock: when points are due.
    """

    def __init__(
        self,
        engine: EngineThread[Engine],
        measures: Measures,
        emitter: Emitter,
        last_values: LastValuesStore,
        reach: Callable[[], Iterable[Reach]],
        follower: Follower,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._measures = measures
        self._emitter = emitter
        self._last_values = last_values
        self._reach = reach
        self._follower = follower
        self._clock = clock

    async def send(self, *, everything: bool = False) -> None:
        """Send what is due; `everything` = the worker stops.

        Raises:
            Unavailable: Redis does not answer; the points are on their way all the same.
        """
        reach = list(self._reach())
        followed = {(name, p): lag for name, p, lag in self._follower.lags() if lag is not None}
        points = await self._engine.ask(lambda engine: self._due(engine, reach, followed, everything))
        await self._emitter.send(point_records(points))
        await self._last_values.write(self._measures.live())

    def _due(
        self,
        engine: Engine,
        reach: Collection[Reach],
        followed: Mapping[tuple[TopicName, int], int],
        everything: bool,
    ) -> list[MetricPoint]:
        self._measures.set_follower_lags(followed)
        for topic, partition, end, committed in reach:
            self._measures.set_lag(topic, partition, max(0, end - committed))
        stats = engine.stats()
        self._measures.set_engine(stats, catalogue_items=stats["items"])
        since_refresh = stats["events_learned"] % engine.settings.index_refresh_events
        for partition in sorted(one.partition for one in reach if one.topic == "events")[:1]:
            self._measures.add("events", partition, "index_staleness", since_refresh, 1)
        return self._measures.due_points(self._clock.monotonic(), everything=everything)
