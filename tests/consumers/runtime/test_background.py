"""Work beside the main loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from stream_rec.consumers.runtime.background import in_background


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
