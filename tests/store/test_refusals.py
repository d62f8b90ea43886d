"""Redis refuses for a time: by any of its codes, through any pipeline, in Redis 6 and in Valkey, that is waited for."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import AuthenticationError, ReadOnlyError, RedisClusterException, ResponseError

from stream_rec.embedded.redis_server import RedisServer
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.store.last_values import LastValuesStore
from stream_rec.store.markers import Upto
from stream_rec.store.refusals import Elsewhere, TooSlow, code_of, understood
from tests.store.building import LOG, Stores, as_of, findings, slate, with_stores
from tests.store.servers import ask, valkey
from tests.store.test_lists import Row
from tests.waiting import wait_until

URL = "redis://ann:s3cret@here:1/0"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("MISCONF Redis is configured to save RDB snapshots", "MISCONF"),
        ("Command # 2 (UNLINK similar:a) of pipeline caused error: MISCONF Redis is configured", "MISCONF"),
        ("Command # 1 (SET BUSY -OOM) of pipeline caused error: WRONGTYPE Operation against", "WRONGTYPE"),
        (
            "ERR Error running script (call to f_5c8): @user_script:36: @user_script: 36: -OOM command not",
            "OOM",
        ),
        (
            "ERR Error running script (call to f_5c8): @user_script:36: @user_script: 36: WRONGTYPE Oper",
            "WRONGTYPE",
        ),
        ("NOREPLICAS Not enough good replicas to write. script: 5c8, on @user_script:36.", "NOREPLICAS"),
        ("BUSY Redis is busy running a script.", "BUSY"),
        ("ERR unknown command `X`, with args beginning with: `BUSY` `-OOM` ", "ERR"),
        ("something else", ""),
    ],
)
def test_a_code_is_found_wherever_it_stands(text: str, code: str) -> None:
    assert code_of(ResponseError(text)) == code


@pytest.mark.parametrize("code", ["OOM", "MISCONF", "NOREPLICAS", "BUSY", "TRYAGAIN"])
def test_what_time_mends_is_waited_for_on_the_same_connections(code: str) -> None:
    meaning = understood(ResponseError(f"{code} for now"), URL)
    assert type(meaning) is Unavailable
    assert "s3cret" not in str(meaning)


@pytest.mark.parametrize("code", ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN"])
def test_what_another_server_may_do_is_waited_for_on_new_connections(code: str) -> None:
    assert type(understood(ResponseError(f"{code} for now"), URL)) is Elsewhere


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ReadOnlyError("You can't write against a read only replica."), Elsewhere),
        (
            ResponseError("ERR Error running script: @user_script:1: Script killed by user with SCRIPT KILL"),
            Unavailable,
        ),
        (redis.ConnectionError("Connection reset by peer"), Elsewhere),
        (redis.TimeoutError("Timeout reading"), TooSlow),
        (redis.exceptions.ClusterError("TTL exhausted."), Elsewhere),
        (RedisClusterException("Redis Cluster cannot be connected"), Elsewhere),
        (RedisClusterException("Cluster mode is not enabled on this node"), ConfigError),
        (AuthenticationError("invalid username-password pair"), ConfigError),
        (ResponseError("NOAUTH Authentication required."), ConfigError),
        (ResponseError("NOPERM this user has no permissions"), ConfigError),
        (ResponseError("DENIED Redis is running in protected mode"), ConfigError),
        (ResponseError("unknown command 'EVALSHA'"), ConfigError),
        (ResponseError("DB index is out of range"), ConfigError),
        (ResponseError("WRONGTYPE Operation against a key"), type(None)),
        (ResponseError("NOSCRIPT No matching script."), type(None)),
        (KeyError("ours"), type(None)),
    ],
)
def test_what_each_error_means(error: Exception, kind: type) -> None:
    meaning = understood(error, URL)
    assert type(meaning) is kind
    assert not isinstance(meaning, ConfigError) or meaning.fix


# --- on real servers


@pytest.fixture(params=["redis", "valkey"])
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    if request.param == "redis":
        yield request.getfixturevalue("redis_server")
    else:
        with valkey() as made:
            yield made


def everything(my: Stores) -> list[Callable[[], Awaitable[object]]]:
    """Every write of ours."""
    last_values = LastValuesStore(my.redis, my.settings, my.clock, worker="w")
    return [
        lambda: my.slates.write([slate("ann", as_of(1))]),
        lambda: my.slates.write([], Upto(0, 1)),
        lambda: my.lists.write_tops({"new": Row(["a"])}, as_of=as_of(1), model="m"),
        lambda: my.lists.remove_items(["a"]),
        lambda: my.lists.restore_items(["a"]),
        lambda: my.markers.begin(0),
        lambda: last_values.write({}),
    ]


async def owned(my: Stores) -> None:
    """There is a marker to be moved."""
    my.markers.own(0, LOG, -1)
    assert await my.markers.complete(await my.markers.begin(0))


async def all_wait(my: Stores, match: str) -> None:
    my.markers.own(0, LOG, -1)
    for write in everything(my):
        with pytest.raises(Unavailable, match=match):
            await write()


async def all_work(my: Stores) -> None:
    for write in everything(my):
        await write()
    assert my.redis.writes.seconds_in_vain() == 0.0


def test_a_disk_that_takes_no_snapshot(server: RedisServer) -> None:
    """MISCONF: stop-writes-on-bgsave-error. A folder stands where the file is to be put."""
    with redis.Redis(port=server.port, decode_responses=True) as admin:
        in_the_way = Path(admin.config_get("dir")["dir"]) / "dump.rdb"

        def save(expect: str) -> None:
            admin.bgsave()
            wait_until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == expect)

        async def story(my: Stores) -> None:
            await all_wait(my, "(?i)misconf|snapshots|disk")
            assert any("takes no writes now" in one.what for one in findings(my.settings))
            admin.config_set("stop-writes-on-bgsave-error", "no")
            await all_work(my)

        with_stores(StoreSettings(url=server.url), owned)
        in_the_way.unlink(missing_ok=True)
        in_the_way.mkdir()
        admin.config_set("save", "1 1000000")
        try:
            save("err")
            with_stores(StoreSettings(url=server.url), story)
        finally:
            admin.config_set("stop-writes-on-bgsave-error", "yes")
            in_the_way.rmdir()
            save("ok")
            admin.config_set("save", "")


def test_a_server_that_is_busy_with_somebodys_script(server: RedisServer) -> None:
    ask(server.port, "CONFIG", "SET", "lua-time-limit", 50)

    def run_for_ever() -> None:
        with redis.Redis(port=server.port, socket_timeout=30) as client, pytest.raises(redis.RedisError):
            client.eval("while true do end", 0)

    busy = threading.Thread(target=run_for_ever)
    busy.start()
    try:
        with redis.Redis(port=server.port) as client:

            def is_busy() -> bool:
                try:
                    client.ping()
                except redis.ResponseError:
                    return True
                return False

            wait_until(is_busy, what="Redis to be busy")
        with_stores(StoreSettings(url=server.url), lambda my: all_wait(my, "(?i)busy"))
    finally:
        ask(server.port, "SCRIPT", "KILL")
        busy.join(30)
    with_stores(StoreSettings(url=server.url), all_of_it)


async def all_of_it(my: Stores) -> None:
    my.markers.own(0, LOG, -1)
    await all_work(my)


def test_a_server_without_memory(server: RedisServer) -> None:
    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, -1)
        ask(server.port, "CONFIG", "SET", "maxmemory", 1)
        for write in [everything(my)[at] for at in (0, 2, 3, 5, 6)]:  # what only removes is let through
            with pytest.raises(Unavailable, match="memory"):
                await write()
        ask(server.port, "CONFIG", "SET", "maxmemory", 0)
        await all_work(my)

    with_stores(StoreSettings(url=server.url), story)
