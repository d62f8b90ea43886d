"""Waiting for Redis, and ending the wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from stream_rec.clock import ManualClock
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.store import waiting
from stream_rec.store.slates import Written
from stream_rec.store.waiting import WaitEnded, until_available
from tests.hanging import hanging
from tests.store.building import Stores, as_of, slate, with_stores
from tests.waiting import wait_until_async

QUICK = StoreSettings(backoff_max_seconds=0.02, stop_grace_seconds=0.1)


def run(
    attempt: Callable[[], Awaitable[object]],
    *stops: asyncio.Event,
    settings: StoreSettings = QUICK,
    clock: ManualClock | None = None,
) -> Awaitable[object]:
    return until_available(
        attempt, what="write 1 slate", stops=stops, settings=settings, clock=clock or ManualClock()
    )


def fails(times: int, calls: list[int]) -> Callable[[], Awaitable[str]]:
    """Unavailable so many times, then an answer."""

    async def attempt() -> str:
        calls.append(len(calls))
        if len(calls) <= times:
            raise Unavailable("redis", "redis://here: gone")
        return "done"

    return attempt


def test_an_answer_at_once_is_handed_on_and_nothing_is_logged() -> None:
    with capture_logs() as said:
        assert asyncio.run(run(fails(0, []))) == "done"
    assert said == []


def test_it_tries_until_redis_answers() -> None:
    calls: list[int] = []
    assert asyncio.run(run(fails(5, calls))) == "done"
    assert len(calls) == 6


def test_pauses_double_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []

    async def note(seconds: float, _stops: object) -> bool:
        paused.append(seconds)
        return False

    monkeypatch.setattr(waiting, "_stopped_within", note)
    asyncio.run(run(fails(7, []), settings=StoreSettings(backoff_max_seconds=0.5)))
    assert paused == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5]


def test_it_says_what_it_waits_for_every_few_seconds_and_when_it_is_over() -> None:
    clock = ManualClock()

    async def attempt() -> str:
        if clock.now() - began >= 12:
            return "done"
        clock.advance(1)
        raise Unavailable("redis", "redis://here: gone")

    began = clock.now()
    with capture_logs() as said:
        asyncio.run(run(attempt, clock=clock))
    assert [(line["event"], line["waited_seconds"]) for line in said] == [
        ("waiting for redis", 1.0),
        ("waiting for redis", 6.0),
        ("waiting for redis", 11.0),
        ("server answered again", 12.0),
    ]
    assert {line["to"] for line in said} == {"write 1 slate"}
    assert said[0]["error"] == "redis://here: gone"


def test_other_errors_end_it_at_once() -> None:
    async def attempt() -> None:
        raise ConfigError("wrong password")

    with pytest.raises(ConfigError):
        asyncio.run(run(attempt))


def test_a_builtin_timeout_inside_the_attempt_is_not_taken_for_a_stop() -> None:
    async def attempt() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        asyncio.run(run(attempt))


def test_a_stop_ends_the_wait() -> None:
    async def story() -> None:
        revoked, stopping = asyncio.Event(), asyncio.Event()
        waits = asyncio.ensure_future(run(fails(10**9, calls), revoked, stopping))
        await wait_until_async(lambda: len(calls) > 3)
        stopping.set()
        await waits

    calls: list[int] = []
    with pytest.raises(WaitEnded, match="write 1 slate"):
        asyncio.run(story())


def test_a_stop_lets_the_batch_in_hand_finish() -> None:
    async def story() -> object:
        stopping = asyncio.Event()
        stopping.set()
        return await run(fails(0, []), stopping)

    assert asyncio.run(story()) == "done"


def test_after_a_stop_there_is_no_second_try() -> None:
    async def story() -> None:
        stopping = asyncio.Event()
        stopping.set()
        await run(fails(1, calls), stopping)

    calls: list[int] = []
    with pytest.raises(WaitEnded):
        asyncio.run(story())
    assert len(calls) == 1


def test_a_stop_cancels_what_hangs() -> None:
    cancelled = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def story() -> None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, stopping.set)
        await run(hang, stopping)

    with pytest.raises(WaitEnded):
        asyncio.run(story())
    assert cancelled.is_set()


def test_cancelling_the_wait_cancels_the_attempt() -> None:
    async def story() -> bool:
        cancelled = asyncio.Event()

        async def hang() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        waits = asyncio.ensure_future(run(hang, asyncio.Event()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waits.cancel()
        await asyncio.wait_for(cancelled.wait(), 5)
        return waits.cancelled() or waits.cancelling() > 0

    assert asyncio.run(story())


def test_a_write_waits_through_an_outage_and_lands(redis_server: RedisServer) -> None:
    async def story(my: Stores) -> Written:
        redis_server.down()
        waits = asyncio.ensure_future(
            run(lambda: my.slates.write([slate("ann", as_of(4))]), settings=my.settings)
        )
        await wait_until_async(lambda: any(line["event"] == "waiting for redis" for line in said))
        redis_server.start_again()
        return await waits  # type: ignore[return-value]

    settings = StoreSettings(url=redis_server.url, backoff_max_seconds=0.05)
    with capture_logs() as said:
        assert with_stores(settings, story) == Written(1, 0, False)
    assert redis_server.url in said[0]["error"]


def test_a_hanging_redis_holds_up_a_stop_for_no_longer_than_the_grace(redis_server: RedisServer) -> None:
    """Without the grace it would end as unavailable, after the timeout."""

    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(1))])
        stopping = asyncio.Event()
        stopping.set()
        with hanging(redis_server.pid), pytest.raises(WaitEnded):
            await run(lambda: my.slates.write([slate("ann", as_of(2))]), stopping, settings=my.settings)

    with_stores(StoreSettings(url=redis_server.url, timeout_seconds=30, stop_grace_seconds=0.1), story)
