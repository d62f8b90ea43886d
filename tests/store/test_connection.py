"""What Redis' refusals mean to us. TLS: tests/security/test_redis.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.settings.masking import address
from stream_rec.store.connection import connect
from stream_rec.store.reader import Reader
from stream_rec.store.sync_connection import connect_sync
from tests.store.building import Stores, as_of, slate, with_stores


@pytest.fixture
def admin(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client
        client.execute_command("ACL", "DELUSER", "worker")


async def write(my: Stores) -> int:
    return (await my.slates.write([slate("ann", as_of(1))])).n_written


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://localhost",
        "redis://localhost:port/0",
        "redis://localhost/zero",
        "redis://a,b/0",
        "redis+sentinel://a,b",
        "redis+cluster://a,",
        "redis+cluster://a/1",
        "redis+other://a",
    ],
)
def test_a_url_that_is_none_is_said_at_once(url: str) -> None:
    for open_it in (connect, connect_sync):
        with pytest.raises(ConfigError, match=r"store\.url"):
            open_it(StoreSettings(url=url))


def test_no_password_in_logs_and_errors() -> None:
    assert address("rediss://ann:s3cret@redis.example:6380/2") == "rediss://redis.example:6380/2"
    with pytest.raises(ConfigError) as raised:
        connect(StoreSettings(url="redis://ann:s3cret@redis.example:port/2"))
    assert "s3cret" not in str(raised.value)


def test_a_user_and_password_in_the_url_are_used(redis_url: str, admin: redis.Redis) -> None:
    admin.execute_command("ACL", "SETUSER", "worker", "on", ">pw", "~*", "+@all")
    store = StoreSettings(url=redis_url.replace("//", "//worker:pw@"))
    assert with_stores(store, write) == 1


def test_the_rights_in_the_documentation_are_enough(redis_url: str, admin: redis.Redis) -> None:
    documented = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
    (rule,) = [line for line in documented.splitlines() if line.startswith("ACL SETUSER worker ")]
    admin.execute_command(*rule.replace("PASSWORD", "pw").split())
    store = StoreSettings(url=redis_url.replace("//", "//worker:pw@"), prefix="shop:")

    async def everything(my: Stores) -> None:
        admin.script_flush()
        await write(my)
        my.markers.own(0, "log", -1)
        assert await my.markers.detect() == {0}
        assert await my.markers.complete(await my.markers.begin(0))
        await my.lists.remove_items(["a"])
        await my.lists.restore_items(["a"])
        assert await my.slates.read("ann") is not None

    with_stores(store, everything)
    reader = Reader(store)
    assert reader.slate("ann", "default") is not None
    assert reader.removed(["a"]) == set()
    assert reader.last_values() == {}
    reader.close()


def test_a_wrong_password_is_for_the_operator(redis_url: str, admin: redis.Redis) -> None:
    admin.execute_command("ACL", "SETUSER", "worker", "on", ">pw", "~*", "+@all")
    with pytest.raises(ConfigError, match="user or password"):
        with_stores(StoreSettings(url=redis_url.replace("//", "//worker:guess@")), write)


@pytest.mark.parametrize("without", ["-evalsha", "-set", "-getrange"])
def test_a_missing_right_is_for_the_operator(redis_url: str, admin: redis.Redis, without: str) -> None:
    admin.execute_command("ACL", "SETUSER", "worker", "on", ">pw", "~*", "+@all", without)
    with pytest.raises(ConfigError, match=r"docs/redis\.md"):
        with_stores(StoreSettings(url=redis_url.replace("//", "//worker:pw@")), write)


def test_a_replica_that_takes_no_writes_is_waited_for(redis_url: str, admin: redis.Redis) -> None:
    """As after a failover, until the address points to the new primary."""
    admin.slaveof("127.0.0.1", 1)
    try:
        with pytest.raises(Unavailable):
            with_stores(StoreSettings(url=redis_url), write)
    finally:
        admin.slaveof()


def test_a_silent_server_is_unavailable_after_the_timeout(redis_url: str, admin: redis.Redis) -> None:
    admin.client_pause(600, all=True)
    with pytest.raises(Unavailable, match="Timeout"):
        with_stores(StoreSettings(url=redis_url, timeout_seconds=0.1), write)


def test_a_bug_of_ours_passes_as_it_is(redis_url: str, admin: redis.Redis) -> None:
    admin.hset("key", "not", "text")

    async def story(my: Stores) -> None:
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            await my.redis.execute("GET", "key")

    with_stores(StoreSettings(url=redis_url), story)
