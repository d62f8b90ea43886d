"""The one thread that touches the engine."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError

import pytest

from stream_rec.consumers.runtime.engine_thread import EngineThread


def test_owned_batches_go_before_slices_of_the_follower() -> None:
    """Within each kind the order is that of submission."""
    engine = EngineThread([])
    gate = threading.Event()
    engine.submit(lambda _: gate.wait(30))
    futures = [engine.submit(lambda done, n=n: done.append(n), followed=n < 3) for n in range(6)]
    gate.set()
    for future in futures:
        future.result(30)
    assert engine.submit(list).result(30) == [3, 4, 5, 0, 1, 2]
    engine.close()


def test_what_a_call_raises_is_raised_to_who_asked_and_the_next_call_runs() -> None:
    async def scenario() -> None:
        engine = EngineThread([1, 2, 3])

        def has_a_bug(_: list[int]) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await engine.ask(has_a_bug)
        assert await engine.ask(len) == 3
        engine.close()

    asyncio.run(scenario())


def test_closing_drops_what_is_queued_and_waits_for_the_call_that_runs() -> None:
    engine = EngineThread([])
    begun, gate = threading.Event(), threading.Event()

    def hold(done: list[int]) -> None:
        begun.set()
        gate.wait(30)
        done.append(1)

    running = engine.submit(hold)
    queued = [engine.submit(len), engine.submit(len, followed=True)]
    assert begun.wait(30)
    closing = threading.Thread(target=engine.close)
    closing.start()
    for future in queued:
        with pytest.raises(CancelledError):
            future.result(30)
    gate.set()
    closing.join(30)
    assert running.done()


def test_what_is_asked_of_a_closed_engine_is_cancelled() -> None:
    """A step that a client library kept alive through the stop comes too late: that is no bug of the worker's."""

    async def scenario() -> None:
        engine = EngineThread([])
        engine.close()
        with pytest.raises(asyncio.CancelledError):
            await engine.ask(len)
        assert engine.submit(len, followed=True).cancelled()

    asyncio.run(scenario())
