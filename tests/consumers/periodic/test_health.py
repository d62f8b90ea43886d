"""When a worker counts as ready, and when as alive."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from stream_rec.clock import ManualClock
from stream_rec.consumers.periodic.health import Health
from stream_rec.consumers.replication.progress import Distance
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.settings import EngineSettings
from stream_rec.store.writes import Writes
from tests.waiting import wait_until_async


class Progress:
    """How far the worker is; counts how often it was asked."""

    def __init__(self) -> None:
        self.joined = False
        self.now: list[Distance] = []
        self.asked = 0

    def distances(self) -> list[Distance]:
        self.asked += 1
        return self.now


class Scene:
    """A worker's state, as its health sees it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.engine = EngineThread(Engine(EngineSettings(max_users=16, max_items=16)))
        self.progress = Progress()
        self.writes = Writes(self.clock, 20.0, 60.0)
        self.health = Health(100, 30.0, self.engine, self.clock)

    async def until(self, condition: Callable[[], bool]) -> None:
        running = asyncio.create_task(self.health.watch(self.progress, self.writes))
        await wait_until_async(condition)
        running.cancel()


def test_ready_is_a_worker_that_has_joined_and_is_near_every_end() -> None:
    async def scenario() -> None:
        scene = Scene()
        health = scene.health
        scene.progress.now = [("events", 0, 100), ("items", 0, None)]
        assert health.ready() == "not in the group yet"
        scene.progress.joined = True
        await scene.until(lambda: health.ready() == "items/0: its end offset is not known yet")
        scene.progress.now = [("events", 0, 101), ("items", 0, 0)]
        await scene.until(lambda: health.ready() == "events/0: 101 records behind its end")
        scene.progress.now = [("events", 0, 100), ("items", 0, 0)]
        await scene.until(lambda: health.ready() == "")
        scene.engine.close()

    asyncio.run(scenario())


def test_an_end_that_is_unknown_for_a_moment_does_not_undo_it_but_distance_does() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.progress.joined, scene.progress.now = True, [("events", 0, 0)]
        await scene.until(lambda: scene.health.ready() == "")
        scene.progress.now, before = [("events", 0, None)], scene.progress.asked
        await scene.until(lambda: scene.progress.asked > before)
        assert scene.health.ready() == ""
        scene.progress.now = [("events", 0, 5_000)]
        await scene.until(lambda: scene.health.ready() == "events/0: 5000 records behind its end")
        scene.engine.close()

    asyncio.run(scenario())


def test_a_worker_that_redis_refuses_is_not_ready() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.progress.joined, scene.progress.now = True, [("events", 0, 0)]
        scene.writes.failed("slates")
        await scene.until(lambda: scene.health.ready() == "")
        scene.clock.advance(20)
        await scene.until(lambda: scene.health.ready() == "writes to redis have failed for 20 s")
        assert scene.health.live() == "", "it is no reason to be killed"
        scene.writes.succeeded("slates")
        await scene.until(lambda: scene.health.ready() == "")
        scene.engine.close()

    asyncio.run(scenario())


def test_a_worker_whose_engine_is_stuck_is_not_alive() -> None:
    async def scenario() -> None:
        scene = Scene()
        gate = threading.Event()
        scene.engine.submit(lambda _: gate.wait(30))
        running = asyncio.create_task(scene.health.watch(scene.progress, scene.writes))
        scene.clock.advance(31)
        assert scene.health.live() == "stuck for 31 s"
        gate.set()
        await wait_until_async(lambda: scene.health.live() == "")
        running.cancel()
        scene.engine.close()

    asyncio.run(scenario())
