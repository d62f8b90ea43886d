"""Work beside the main loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from stream_rec.consumers.runtime.background import in_background, in_background_until


def test_the_answer_comes_from_another_thread_and_the_loop_goes_on_meanwhile() -> None:
    async def scenario() -> None:
        gate = threading.Event()

        def call() -> int:
            assert gate.wait(30)
            return threading.get_ident()

        asking = asyncio.create_task(in_background(call))
        await asyncio.sleep(0)
        assert not asking.done()
        gate.set()
        assert await asyncio.wait_for(asking, 30) != threading.get_ident()

    asyncio.run(scenario())


def test_what_the_call_raises_is_raised() -> None:
    def has_a_bug() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_background(has_a_bug))


def test_a_stop_comes_first_and_nobody_waits_for_the_call() -> None:
    gate = threading.Event()

    async def scenario() -> None:
        stopping = asyncio.Event()
        asking = asyncio.create_task(in_background_until(stopping, lambda: gate.wait(30)))
        await asyncio.sleep(0)
        stopping.set()
        assert await asyncio.wait_for(asking, 30) is None

    asyncio.run(scenario())  # ends although the call has not
    gate.set()


def test_a_call_that_ends_before_the_stop_answers() -> None:
    async def scenario() -> None:
        assert await in_background_until(asyncio.Event(), lambda: "an answer") == "an answer"

    asyncio.run(scenario())
