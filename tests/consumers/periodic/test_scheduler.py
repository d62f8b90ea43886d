"""Periodic work: when it begins, what wakes it, and what ends it."""

from __future__ import annotations

import asyncio

from stream_rec.consumers.periodic.scheduler import Scheduler
from stream_rec.consumers.runtime.shutdown import Shutdown
from stream_rec.errors import Unavailable
from tests.waiting import wait_until_async

NEVER = 1e6
"""Seconds between two turns that no test waits for."""


class Scene:
    """A scheduler, and the turns that were done."""

    def __init__(self) -> None:
        self.ready, self.wake = asyncio.Event(), asyncio.Event()
        self.shutdown = Shutdown(asyncio.Event())
        self.scheduler = Scheduler(self.ready, self.shutdown)
        self.turns = 0
        self.fails_with: Exception | None = None

    async def step(self) -> None:
        self.turns += 1
        if self.fails_with is not None:
            raise self.fails_with

    async def end(self) -> None:
        self.shutdown.stopping.set()
        await self.scheduler.end(10)


def test_nothing_begins_before_the_worker_is_ready() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.scheduler.every(0.001, scene.step)
        await asyncio.sleep(0.02)
        assert scene.turns == 0
        scene.ready.set()
        await wait_until_async(lambda: scene.turns >= 3)
        await scene.end()

    asyncio.run(scenario())


def test_a_step_can_be_woken_before_its_time() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.ready.set()
        scene.scheduler.every(NEVER, scene.step, scene.wake)
        for turn in (1, 2):
            scene.wake.set()
            await wait_until_async(lambda turn=turn: scene.turns == turn)
        await scene.end()
        assert scene.turns == 2

    asyncio.run(scenario())


def test_a_server_that_does_not_answer_costs_a_turn_and_no_more() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.ready.set()
        scene.fails_with = Unavailable("redis", "down")
        scene.scheduler.every(0.001, scene.step)
        await wait_until_async(lambda: scene.turns >= 3)
        assert not scene.shutdown.failed
        await scene.end()

    asyncio.run(scenario())


def test_a_bug_ends_the_worker() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.ready.set()
        scene.fails_with = ZeroDivisionError("a bug")
        scene.scheduler.every(0.001, scene.step)
        await asyncio.wait_for(scene.shutdown.stopping.wait(), 30)
        assert scene.shutdown.failure is scene.fails_with
        assert scene.turns == 1
        await scene.end()

    asyncio.run(scenario())


def test_a_stop_ends_what_has_not_begun_too() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.scheduler.every(NEVER, scene.step)
        await asyncio.wait_for(scene.end(), 30)
        assert scene.turns == 0

    asyncio.run(scenario())
