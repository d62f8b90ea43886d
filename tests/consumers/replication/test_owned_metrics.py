"""Metrics begin and end with ownership."""

from __future__ import annotations

import asyncio

import msgspec

from stream_rec.consumers.output.metric_points import MetricOutput
from stream_rec.consumers.replication.owned_metrics import OwnedMetrics
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.schemas.columns import Span
from stream_rec.schemas.records import MetricPoint
from stream_rec.settings import MeasureSettings
from tests.consumers.parts import STAMP_MS, TINY, Outbox


def test_a_partition_that_goes_sends_its_last_points_once() -> None:
    async def scenario() -> None:
        engine, outbox = EngineThread(Engine(TINY)), Outbox()
        measures = Measures(MeasureSettings(), ("popularity",))
        metrics = OwnedMetrics(engine, measures, MetricOutput(outbox, None))
        metrics.assign([("events", 1), ("events", 0)])
        await engine.ask(lambda _: measures.on_dead_letters(Span("events", 0, 1, 0, 2), ["json"], [STAMP_MS]))
        await metrics.release([("events", 0), ("events", 1)])
        await metrics.release([("events", 0)])
        engine.close()
        assert set(outbox.topics()) == {"metrics"}
        points = [msgspec.json.decode(record.value, type=MetricPoint) for record in outbox.sent]
        assert [(p.metric, p.partition, p.numerator) for p in points] == [("dead_letters", 0, 1.0)]

    asyncio.run(scenario())
