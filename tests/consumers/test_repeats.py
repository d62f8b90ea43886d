"""A producer that sends again what it was not sure of: every event counts once, and its user has a slate."""

from __future__ import annotations

import asyncio

import msgspec

from stream_rec.bus.lag import lag
from stream_rec.bus.topics import ensure_topics
from stream_rec.consumers.worker import Worker
from stream_rec.engine.engine import Engine
from stream_rec.schemas.records import MetricPoint
from stream_rec.settings import Settings
from stream_rec.telemetry.points import total
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import behind
from tests.consumers.serving import SMALL, serve
from tests.reading import records


def test_a_producer_that_sends_everything_twice_teaches_everything_once(tansu_settings: Settings) -> None:
    settings = tansu_settings.model_copy(update={"engine": SMALL})
    ensure_topics(settings.bus)
    once = [msgspec.structs.replace(c, event_id=f"e{n}") for n, c in enumerate(clicks(600))]
    twice = [event for start in range(0, 600, 50) for event in once[start : start + 50] * 2]
    published = publish_events(settings.bus, twice)
    engine = Engine(settings.engine, settings.measure)

    async def until_done(_: Worker) -> None:
        while any(at.lag for at in await asyncio.to_thread(lag, settings.bus)):
            await asyncio.sleep(0.1)

    assert serve(settings, engine, until_done) == 0
    assert engine.stats()["events_learned"] == 600
    points = records(settings.bus, "metrics", MetricPoint)
    assert total(points, "events_repeated") == (600, 1200)
    assert total(points, "events_learned") == (600, 1200)
    assert total(points, "served_known")[0] <= 600
    assert behind(settings, published.last) == {}
