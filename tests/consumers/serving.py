"""Workers inside the test's process."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.consumers.worker import Worker
from stream_rec.engine.engine import Engine
from stream_rec.settings import EngineSettings, Settings

SMALL = EngineSettings(max_users=1_000, max_items=500)


def serve(settings: Settings, engine: Engine | None, meanwhile: Callable[[Worker], Awaitable[None]]) -> int:
    """Run a worker until `meanwhile` has returned, or it ends by itself; its exit code."""

    async def scenario() -> int:
        stopping = asyncio.Event()
        worker = Worker(settings, ensure_topics(settings.bus), SystemClock(), stopping, engine)
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
    worker = Worker(settings, partitions, SystemClock(), stopping, engine)
    task = asyncio.create_task(worker.serve())
    try:
        yield worker
    finally:
        stopping.set()
        code = await task
    assert code == 0
