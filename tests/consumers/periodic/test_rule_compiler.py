"""Rules are compiled in slices between what else the engine has to do."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable
from typing import cast

from stream_rec.clock import ManualClock
from stream_rec.consumers.periodic.rule_compiler import SLICE_SECONDS, RuleCompiler
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine

PORTIONS = 50
PORTION_SECONDS = 0.001
BATCH_SECONDS = 0.010


class Rules:
    """So many portions of rules that are to be compiled, and what was done, in order: p = a portion, b = a batch.

    Args:
        clock: goes on by portions and batches alone.
    """

    def __init__(self, clock: ManualClock) -> None:
        self.left = PORTIONS
        self.done = ""
        self._clock = clock

    def compile_rules(self, is_over: Callable[[], bool]) -> bool:
        while self.left:
            self.left -= 1
            self.done += "p"
            self._clock.advance(PORTION_SECONDS)
            if is_over():
                break
        return self.left > 0

    def learn(self) -> None:
        self.done += "b"
        self._clock.advance(BATCH_SECONDS)


def told(story: Callable[[EngineThread[Rules], RuleCompiler], Awaitable[None]]) -> None:
    async def tell() -> None:
        clock = ManualClock()
        engine = EngineThread(Rules(clock), clock)
        await story(engine, RuleCompiler(cast(EngineThread[Engine], engine), clock))
        engine.close()

    asyncio.run(tell())


def test_rules_are_compiled_in_slices_where_nothing_waits_too() -> None:
    """The event loop, which may be about to submit something, has the interpreter in between."""

    async def story(engine: EngineThread[Rules], compiler: RuleCompiler) -> None:
        assert await compiler.look() == math.ceil(
            PORTIONS * PORTION_SECONDS / (SLICE_SECONDS + PORTION_SECONDS)
        )
        assert await engine.ask(lambda rules: rules.left) == 0

    told(story)


def test_rules_have_half_of_the_time_while_batches_wait() -> None:
    """However many batches are queued: how long rules take goes by the work, and learning goes on."""

    async def story(engine: EngineThread[Rules], compiler: RuleCompiler) -> None:
        begun, gate = threading.Event(), threading.Event()
        engine.submit(lambda _: begun.set() or gate.wait(30))  # type: ignore[func-returns-value]
        assert begun.wait(30)
        batches = [engine.submit(Rules.learn) for _ in range(PORTIONS)]
        looking = asyncio.create_task(compiler.look())
        await asyncio.sleep(0)  # it has asked for its first slice
        gate.set()
        await asyncio.wait_for(looking, 30)
        for batch in batches:
            await asyncio.wait_for(asyncio.wrap_future(batch), 30)
        done = await engine.ask(lambda rules: rules.done)
        assert done.count("p") == PORTIONS
        rules_seconds = batches_seconds = 0.0
        for what in done[: done.rindex("p")]:
            rules_seconds += PORTION_SECONDS * (what == "p")
            batches_seconds += BATCH_SECONDS * (what == "b")
            assert abs(rules_seconds - batches_seconds) < SLICE_SECONDS + BATCH_SECONDS, done

    told(story)
