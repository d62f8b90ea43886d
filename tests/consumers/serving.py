"""Workers inside the test's process."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.consumers.periodic.snapshots import Start
from stream_rec.consumers.wiring import build
from stream_rec.consumers.worker import Worker
from stream_rec.engine.engine import Engine
from stream_rec.schemas.records import TopicName
from stream_rec.settings import EngineSettings, Settings

SMALL = EngineSettings(max_users=1_000, max_items=500, train_first=0)
SMALL_ENVIRONMENT = {
    f"STREAM_REC__ENGINE__{name.upper()}": str(value)
    for name, value in SMALL.model_dump(exclude_unset=True).items()
}
"""The same, for commands."""


def make_worker(
    settings: Settings, counts: dict[TopicName, int], engine: Engine | None, stopping: asyncio.Event
) -> Worker:
    """A worker that starts from no snapshot; an empty engine if none is given."""
    start = Start(engine or Engine(settings.engine, settings.measure), {})
    return Worker(settings, build(settings, counts, start, stopping, SystemClock()))


def serve(settings: Settings, engine: Engine | None, meanwhile: Callable[[Worker], Awaitable[None]]) -> int:
    """Run a worker until `meanwhile` has returned, or it ends by itself; its exit code."""

    async def scenario() -> int:
        stopping = asyncio.Event()
        worker = make_worker(settings, ensure_topics(settings.bus), engine, stopping)
        serving = asyncio.create_task(worker.serve())
        try:
            await meanwhile(worker)
        finally:
            stopping.set()
            code = await serving
        return code

    try:
        return asyncio.run(scenario())
    finally:
        gc.collect()  # a Kafka client lives until it is collected


@asynccontextmanager
async def serving(settings: Settings, engine: Engine) -> AsyncIterator[Worker]:
    """One of several workers: it is told to stop at the end, and must do so without a failure."""
    stopping = asyncio.Event()
    partitions = await asyncio.to_thread(ensure_topics, settings.bus)
    worker = make_worker(settings, partitions, engine, stopping)
    task = asyncio.create_task(worker.serve())
    try:
        yield worker
    finally:
        stopping.set()
        code = await task
    assert code == 0
