"""A worker that the group gives nothing says so, until it is answered."""

from __future__ import annotations

import asyncio

import structlog

from stream_rec.consumers.runtime.waiting import tell_until


def test_it_is_said_again_until_the_group_answers() -> None:
    async def scenario() -> None:
        assigned = asyncio.Event()
        telling = asyncio.create_task(tell_until(assigned, 0.01))
        while len(said) < 3:
            await asyncio.sleep(0.001)
        assigned.set()
        await asyncio.wait_for(telling, 10)

    with structlog.testing.capture_logs() as said:
        asyncio.run(asyncio.wait_for(scenario(), 30))
    assert [line["waited_seconds"] for line in said[:3]] == [0.01, 0.02, 0.03]
    assert all("restart `stream-rec up`" in line["fix"] for line in said)


def test_a_group_that_answers_at_once_is_not_mentioned() -> None:
    async def scenario() -> None:
        assigned = asyncio.Event()
        assigned.set()
        await tell_until(assigned, 0.01)

    with structlog.testing.capture_logs() as said:
        asyncio.run(scenario())
    assert said == []
