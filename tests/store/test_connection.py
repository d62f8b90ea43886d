"""What Redis' refusals mean to us. TLS: tests/security/test_redis.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from stream_rec.embedded.redis_server import RedisServer
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.settings.masking import address, shown_url
from stream_rec.store.address import Address
from stream_rec.store.connection import connect
from stream_rec.store.reader import Reader
from stream_rec.store.sync_connection import connect_sync
from tests.hanging import hanging
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
        "redis://localhost:99999/0",
        "redis://localhost:0/0",
        "redis://" + "a" * 70,
        "redis://a..b/0",
        "redis://localhost/0?colour=red",
        "redis://localhost/0?socket_timeout=soon",
        "redis://localhost/0?ssl_ca_certs=/ca.pem",
    ],
)
def test_a_url_that_is_none_is_said_at_once(url: str) -> None:
    for open_it in (connect, connect_sync):
        with pytest.raises(ConfigError, match=r"store\.url"):
            open_it(StoreSettings(url=url))


@given_settings(deadline=None)
@given(url=st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60))
def test_no_text_is_a_traceback(url: str) -> None:
    for scheme in ("", "redis://", "redis+sentinel://", "redis+cluster://"):
        with suppress(ConfigError):
            connect(StoreSettings(url=scheme + url))


@pytest.mark.parametrize(
    ("url", "hosts", "options"),
    [
        ("redis://h", [("h", 6379)], {}),
        ("redis://ann:p%40w@h:1/2", [("h", 1)], {"username": "ann", "password": "p@w", "db": 2}),
        ("redis://h/0?password=a%40b", [("h", 6379)], {"password": "a@b", "db": 0}),
        ("rediss://[::1]:7/0", [("::1", 7)], {"db": 0}),
        ("redis+sentinel://a,b:9/shop/3", [("a", 26379), ("b", 9)], {"db": 3}),
        (
            "redis+sentinel://u:p@a/shop?sentinel_password=s@t",
            [("a", 26379)],
            {"username": "u", "password": "p"},
        ),
        ("rediss+cluster://a:1,b:2,c:3", [("a", 1), ("b", 2), ("c", 3)], {}),
        ("unix:///run/redis.sock", [], {"path": "/run/redis.sock"}),
    ],
)
def test_what_an_address_says(url: str, hosts: list[tuple[str, int]], options: dict[str, object]) -> None:
    found = Address.of(StoreSettings(url=url))
    assert (list(found.hosts), found.options) == (hosts, options)
    assert found.tls == url.startswith("rediss")
    assert "p%40w" not in repr(found)
    if "sentinel" in url:
        assert found.primary == "shop"
    assert found.sentinel_options == ({"password": "s@t"} if "s@t" in url else {})


@pytest.mark.parametrize("scheme", ["redis+sentinel", "rediss+cluster", "valkey"])
def test_no_password_of_any_scheme_is_shown(scheme: str) -> None:
    url = f"{scheme}://ann:s3cret@a,b/shop?sentinel_password=s3cret"
    assert "s3cret" not in address(url) + shown_url(url)
    assert address(url) == f"{scheme}://a,b/shop"


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


def test_a_silent_server_is_unavailable_after_the_timeout(redis_server: RedisServer) -> None:
    with hanging(redis_server.pid), pytest.raises(Unavailable, match="Timeout"):
        with_stores(StoreSettings(url=redis_server.url, timeout_seconds=0.1), write)


def test_a_bug_of_ours_passes_as_it_is(redis_url: str, admin: redis.Redis) -> None:
    admin.hset("key", "not", "text")

    async def story(my: Stores) -> None:
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            await my.redis.execute("GET", "key")

    with_stores(StoreSettings(url=redis_url), story)
