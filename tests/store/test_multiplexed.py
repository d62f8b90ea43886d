"""One connection for many readers: replies find who asked, in any pieces, and who waits when it breaks is told."""

from __future__ import annotations

import asyncio

import pytest

from stream_rec.embedded.redis_server import RedisServer
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.store.connection import connect_readers
from tests.hanging import hanging


def test_many_readers_share_one_connection(redis_url: str) -> None:
    large = b"x" * 1_000_000

    async def story() -> None:
        connection = connect_readers(StoreSettings(url=redis_url))
        await connection.pipeline([("SET", "large", large)])
        asked = [connection.pipeline([("ECHO", i), ("GET", "large"), ("ECHO", -i)]) for i in range(50)]
        for i, found in enumerate(await asyncio.gather(*asked)):
            assert found == [b"%d" % i, large, b"%d" % -i]
        clients = await connection.execute("CLIENT", "LIST")
        assert clients.count(b"name=stream-rec") == 1
        await connection.aclose()

    asyncio.run(story())


def test_who_left_does_not_disturb_the_others(redis_url: str) -> None:
    async def story() -> None:
        connection = connect_readers(StoreSettings(url=redis_url))
        tasks = [asyncio.create_task(connection.execute("ECHO", i)) for i in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [each for each in found if isinstance(each, bytes)] == [b"%d" % i for i in range(10) if i != 3]
        await connection.aclose()

    asyncio.run(story())


def test_a_restart_between_two_reads_goes_unseen_and_an_outage_is_told(redis_server: RedisServer) -> None:
    async def story() -> None:
        connection = connect_readers(StoreSettings(url=redis_server.url, timeout_seconds=2.0))
        assert await connection.execute("PING") == b"PONG"
        redis_server.down()
        with pytest.raises(Unavailable):
            await connection.execute("PING")
        redis_server.start_again()
        assert await connection.execute("PING") == b"PONG"
        redis_server.down()
        redis_server.start_again()
        assert await connection.execute("PING") == b"PONG"
        await connection.aclose()

    asyncio.run(story())


def test_a_silent_server_is_given_up(redis_server: RedisServer) -> None:
    async def story() -> None:
        connection = connect_readers(StoreSettings(url=redis_server.url, timeout_seconds=1.0))
        assert await connection.execute("PING") == b"PONG"
        with hanging(redis_server.pid):
            asked = [connection.execute("PING") for _ in range(3)]
            found = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(each, Unavailable) for each in found)
        assert await connection.execute("PING") == b"PONG"
        await connection.aclose()

    asyncio.run(story())


def test_a_refusal_means_what_it_means_elsewhere(redis_url: str) -> None:
    async def story() -> None:
        connection = connect_readers(StoreSettings(url=redis_url, username="nobody", password="wrong"))
        with pytest.raises(ConfigError, match="user or password"):
            await connection.execute("PING")
        await connection.aclose()

    asyncio.run(story())
