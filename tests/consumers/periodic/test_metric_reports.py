"""What a worker tells about itself every second, and at its end."""

from __future__ import annotations

import asyncio

import msgspec

from stream_rec.clock import ManualClock
from stream_rec.consumers.output.metric_points import MetricOutput
from stream_rec.consumers.periodic.metric_reports import MetricReports
from stream_rec.consumers.replication.progress import Reach
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.records import MetricPoint, TopicName
from tests.consumers.parts import STAMP_MS, TINY, Outbox, make_measures
from tests.engine.deciding import decide, decision


class Progress:
    """A worker that owns one partition and follows two, one of which it does not know the end of."""

    owns_control = False

    def owned(self) -> list[Reach]:
        return [Reach("events", 0, 12), *([Reach("control", 0, 0)] if self.owns_control else [])]

    def followed(self) -> dict[tuple[TopicName, int], int]:
        return {("events", 1): 7}


class LastValues:
    """Keeps what was written last."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    async def write(self, values: dict[str, float]) -> None:
        self.values = values


class Scene:
    """Reports of an engine that has learned two events and met one dead letter."""

    def __init__(self) -> None:
        self.core = core = Engine(TINY)
        core.learn(EventBatch.of([("ann", "a", 1.0), ("bob", "b", 2.0)], span=Span("events", 0, 0, 0, 2)))
        self.engine, self.measures = EngineThread(core), make_measures(core)
        self.outbox, self.last, self.clock = Outbox(), LastValues(), ManualClock()
        self.progress = Progress()
        output = MetricOutput(self.outbox, self.last)
        self.reports = MetricReports(self.engine, self.measures, self.progress, output, self.clock)
        self.measures.on_dead_letters(Span("events", 0, 0, 2, 3), ["json"], [STAMP_MS])

    def points(self) -> dict[str, float]:
        """Numerators of the points sent so far, the latest of each."""
        points = [msgspec.json.decode(record.value, type=MetricPoint) for record in self.outbox.sent]
        return {point.metric: point.numerator for point in points}


def test_lag_and_the_engines_figures_are_told() -> None:
    async def scenario() -> None:
        scene = Scene()
        await scene.reports.send()
        scene.engine.close()
        values = scene.last.values
        assert values["partition_lag{partition=0,topic=events}"] == 12
        assert values["follower_lag{partition=1,topic=events}"] == 7
        assert values["engine{stat=events_learned}"] == 2
        assert scene.points()["lag"] == 12
        assert scene.points()["dead_letters"] == 1
        assert "index_staleness" in scene.points()

    asyncio.run(scenario())


def test_the_owner_of_control_tells_since_when_alarms_are_in_force() -> None:
    fall = {"metric": "m", "direction": "drop", "since": 5.0, "level": 0.2, "normal": 0.3, "until": 99.0}

    async def scenario() -> None:
        scene = Scene()
        decide(scene.core, decision("alarm", "m", fall))
        await scene.reports.send()
        assert "alarm_since{alarm=m,direction=drop}" not in scene.last.values
        scene.progress.owns_control = True
        await scene.reports.send()
        assert scene.last.values["alarm_since{alarm=m,direction=drop}"] == 5.0
        decide(scene.core, decision("alarm", "m", None))
        await scene.reports.send()
        scene.engine.close()
        assert "alarm_since{alarm=m,direction=drop}" not in scene.last.values

    asyncio.run(scenario())


def test_a_window_that_goes_on_is_not_told_every_second_but_at_the_end() -> None:
    async def scenario() -> None:
        scene = Scene()
        await scene.reports.send()
        scene.outbox.sent.clear()
        scene.measures.on_dead_letters(Span("events", 0, 0, 3, 4), ["json"], [STAMP_MS])
        await scene.reports.send()
        assert scene.outbox.sent == []
        await scene.reports.send_last()
        scene.engine.close()
        assert scene.points()["dead_letters"] == 2

    asyncio.run(scenario())
