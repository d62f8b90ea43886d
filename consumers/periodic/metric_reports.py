"""What a worker tells about itself, every second: metric points, last values, lag."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from stream_rec.clock import Clock
from stream_rec.consumers.output.metric_points import MetricOutput
from stream_rec.consumers.replication.progress import Progress, Reach
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.arms import readings as trials
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures, NamedFigure
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import MetricPoint


class MetricReports:
    """Sends figures where they belong.

    Args:
        engine: figures of its state.
        measures: figures of what was served; touched in the engine's thread only, but for reading.
        progress: lag of every partition.
        output: where figures go.
        clock: when points are due.
    """

    def __init__(
        self,
        engine: EngineThread[Engine],
        measures: Measures,
        progress: Progress,
        output: MetricOutput,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._measures = measures
        self._progress = progress
        self._output = output
        self._clock = clock

    async def send(self) -> None:
        """Send what is due.

        Raises:
            Unavailable: Redis does not answer; the points are on their way all the same.
        """
        await self._send(everything=False)

    async def send_last(self) -> None:
        """The worker stops: send everything that has been measured. Raises as `send`."""
        await self._send(everything=True)

    async def _send(self, *, everything: bool) -> None:
        due = partial(self._due, self._progress.owned(), self._progress.followed(), everything)
        await self._output.publish(await self._engine.ask(due))
        await self._output.write_last(self._measures.live())

    def _due(
        self,
        owned: Collection[Reach],
        followed: Mapping[TopicPartition, int],
        everything: bool,
        engine: Engine,
    ) -> list[MetricPoint]:
        self._measures.set_follower_lags(followed)
        for topic, partition, lag in owned:
            self._measures.set_lag(topic, partition, lag)
        stats = engine.stats()
        self._measures.set_engine(stats, catalogue_items=stats["items"])
        owns_control = any(one.topic == "control" for one in owned)
        self._measures.set_told("trials", trials.figures(engine) if owns_control else {})
        self._measures.set_told("alarms", _alarms(engine) if owns_control else {})
        since_refresh = stats["events_learned"] % engine.settings.index_refresh_events
        for partition in sorted(one.partition for one in owned if one.topic == "events")[:1]:
            self._measures.add("events", partition, "index_staleness", since_refresh, 1)
        return self._measures.due_points(self._clock.monotonic(), everything=everything)


def _alarms(engine: Engine) -> dict[NamedFigure, float]:
    """Since when, of those that are in force."""
    in_force = engine.decisions.alarms.in_force
    return {
        ("alarm_since", (("alarm", name), ("direction", alarm.direction))): alarm.since
        for name, alarm in in_force.items()
    }
