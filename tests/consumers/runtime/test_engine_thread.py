"""The one thread that touches the engine."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from functools import partial

import pytest

from stream_rec.clock import ManualClock
from stream_rec.consumers.runtime.engine_thread import EngineThread
from tests.waiting import wait_until, wait_until_async


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


def test_what_takes_equally_long_takes_turns() -> None:
    """However many are queued of either kind."""
    engine = EngineThread([], ManualClock())
    gate = threading.Event()
    engine.submit(lambda _: gate.wait(30))
    kinds = ["followed", "owned", "owned", "owned", "urgent", "urgent", "urgent"]
    futures = [
        engine.submit(
            lambda done, kind=kind: done.append(kind), followed=kind == "followed", urgent=kind == "urgent"
        )
        for kind in kinds
    ]
    gate.set()
    for future in futures:
        future.result(30)
    expected = ["urgent", "owned", "urgent", "owned", "urgent", "owned", "followed"]
    assert engine.submit(list).result(30) == expected
    engine.close()


@pytest.mark.parametrize(
    ("batch_seconds", "expected"),
    [(0.0095, "sbssbssbsssb"), (0.0011, "sbbbbsbbbbs"), (10.0, "sb" + "s" * 63)],
)
def test_what_is_urgent_has_half_of_the_time(batch_seconds: float, expected: str) -> None:
    """A slice takes 4 ms."""
    clock = ManualClock()
    engine = EngineThread([], clock)
    gate = threading.Event()

    def takes(done: list[str], kind: str, seconds: float) -> None:
        done.append(kind)
        clock.advance(seconds)

    engine.submit(lambda _: gate.wait(30))
    futures = [engine.submit(partial(takes, kind="b", seconds=batch_seconds)) for _ in range(64)]
    futures += [engine.submit(partial(takes, kind="s", seconds=0.004), urgent=True) for _ in range(64)]
    gate.set()
    for future in futures:
        future.result(30)
    assert "".join(engine.submit(list).result(30)).startswith(expected)
    engine.close()


def test_a_call_knows_whether_anything_waits_for_it() -> None:
    engine = EngineThread([])
    begun, gate = threading.Event(), threading.Event()

    def hold(_: list[bool]) -> bool:
        before = engine.is_wanted
        begun.set()
        gate.wait(30)
        return before

    for kind in ("owned", "followed", "urgent"):
        begun.clear()
        gate.clear()
        running = engine.submit(hold)
        assert begun.wait(30)
        queued = engine.submit(len, followed=kind == "followed", urgent=kind == "urgent")
        assert engine.is_wanted
        gate.set()
        assert not running.result(30)
        queued.result(30)
    engine.close()


def test_what_is_asked_in_slices_and_what_is_queued_take_turns() -> None:
    async def scenario() -> None:
        engine = EngineThread([], ManualClock())
        begun, gate = threading.Event(), threading.Event()

        def hold(_: list[str]) -> None:
            begun.set()
            gate.wait(30)

        def step(done: list[str]) -> bool:
            done.append("slice")
            return done.count("slice") < 3

        engine.submit(hold)
        assert begun.wait(30)
        for _ in range(4):
            engine.submit(lambda done: done.append("batch"))
        slices = asyncio.create_task(engine.ask_in_slices(step))
        await asyncio.sleep(0)  # the first is queued
        gate.set()
        assert await asyncio.wait_for(slices, 30) == 3
        expected = ["slice", "batch"] * 3 + ["batch"]
        assert await engine.ask(list) == expected
        engine.close()

    asyncio.run(scenario())


def test_a_slice_that_fails_or_comes_too_late_is_told_to_who_asked() -> None:
    async def scenario() -> None:
        engine = EngineThread([])

        def has_a_bug(_: list[int]) -> bool:
            raise ZeroDivisionError

        def is_closed_meanwhile(_: list[int]) -> bool:
            threading.Thread(target=engine.close).start()
            wait_until(lambda: engine.is_wanted)
            return True

        with pytest.raises(ZeroDivisionError):
            await engine.ask_in_slices(has_a_bug)
        with pytest.raises(asyncio.CancelledError):
            await engine.ask_in_slices(is_closed_meanwhile)
        with pytest.raises(asyncio.CancelledError):
            await engine.ask_in_slices(is_closed_meanwhile)

    asyncio.run(scenario())


def test_who_does_not_wait_any_more_has_no_further_slice() -> None:
    async def scenario() -> None:
        engine = EngineThread([])
        asked = threading.Event()
        slices = asyncio.create_task(engine.ask_in_slices(lambda _: asked.set() is None))
        assert await asyncio.to_thread(asked.wait, 30)
        slices.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slices
        await wait_until_async(lambda: not engine.is_wanted)
        engine.close()

    asyncio.run(scenario())


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
    queued = [engine.submit(len), engine.submit(len, followed=True), engine.submit(len, urgent=True)]
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
