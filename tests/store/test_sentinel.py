"""Sentinels, failover by host name, replicas."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
import redis
from structlog.testing import capture_logs

from stream_rec.clock import SystemClock
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.store.markers import Upto
from stream_rec.store.reader import Reader
from stream_rec.store.waiting import until_available
from tests.store.building import LOG, Stores, as_of, findings, slate, slates, with_stores
from tests.store.servers import (
    PRIMARY,
    SentinelServer,
    Trio,
    ask,
    front,
    info,
    primary_and_replica,
    sentinel_trio,
)
from tests.waiting import wait_until, wait_until_async

USERS = [f"u{n}" for n in range(100)]


@pytest.fixture
def trio() -> Iterator[Trio]:
    with sentinel_trio() as made:
        yield made


@pytest.fixture
def pair() -> Iterator[list[RedisServer]]:
    with primary_and_replica() as servers:
        yield servers


async def persistently(my: Stores, attempt) -> object:  # type: ignore[no-untyped-def]
    return await asyncio.wait_for(
        until_available(attempt, what="write", stops=[], settings=my.settings, clock=SystemClock()), 60
    )


def test_worker_and_reader_follow_a_failover_that_leaves_the_old_primary_up(trio: Trio) -> None:
    store = StoreSettings(url=trio.url, backoff_max_seconds=0.1)
    reader = Reader(store)

    async def story(my: Stores) -> None:
        await my.slates.write(slates(USERS, as_of(1)))
        assert reader.slate("u0", "default") is not None
        await asyncio.to_thread(wait_until, lambda: info(trio.servers[1].port, "keyspace"), 10)
        await asyncio.to_thread(trio.fail_over)
        await persistently(my, lambda: my.slates.write(slates(USERS, as_of(2))))

    with_stores(store, story)
    assert ask(trio.servers[1].port, "DBSIZE") == len(USERS)
    found = wait_until(lambda: reader.slate("u0", "default"), what="the slate")
    assert found.as_of.offset == 2
    reader.close()


def test_a_primary_that_dies_is_replaced_and_what_it_had_not_passed_on_is_seen_as_lost(trio: Trio) -> None:
    store = StoreSettings(url=trio.url, backoff_max_seconds=0.1, timeout_seconds=1)

    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, -1)
        assert await my.markers.complete(await my.markers.begin(0))
        await my.slates.write(slates(USERS, as_of(1)), Upto(0, 1))
        primary, replica = trio.servers[0].port, trio.servers[1].port
        wait_until(
            lambda: ask(primary, "DBSIZE") == ask(replica, "DBSIZE"), what="the replica to have it all"
        )
        ask(replica, "CONFIG", "SET", "replica-read-only", "no")
        ask(replica, "FLUSHALL")
        trio.servers[0].down()
        await persistently(my, lambda: my.slates.write(slates(USERS, as_of(2)), Upto(0, 2)))
        assert await persistently(my, my.markers.detect) == {0}

    with_stores(store, story)


def test_a_name_that_no_sentinel_knows_is_named(trio: Trio) -> None:
    store = StoreSettings(url=trio.url.replace("shop-primary", "unknown"), timeout_seconds=1)

    async def story(my: Stores) -> None:
        with pytest.raises(ConfigError, match="unknown"):
            await my.slates.write([slate("ann", as_of(1))])

    with_stores(store, story)
    with pytest.raises(ConfigError, match="unknown"):
        Reader(store).slate("ann", "default")
    assert any(one.status == "fail" and "unknown" in one.what for one in findings(store))


def test_sentinels_that_are_away_are_waited_for() -> None:
    store = StoreSettings(url="redis+sentinel://127.0.0.1:9,127.0.0.1:10/shop/0", timeout_seconds=1)

    async def story(my: Stores) -> None:
        with pytest.raises(Unavailable, match="shop"):
            await my.slates.write([slate("ann", as_of(1))])

    with_stores(store, story)


def test_the_doctor_follows_the_sentinels(trio: Trio) -> None:
    found = findings(StoreSettings(url=trio.url))
    assert not [one for one in found if one.status == "fail"]
    assert any(trio.url in one.what for one in found)


def test_sentinels_have_a_password_of_their_own(redis_server: RedisServer) -> None:
    with SentinelServer.watching(redis_server.port, "s3ntinel-pw") as sentinel:
        where = f"redis+sentinel://127.0.0.1:{sentinel.port}/{PRIMARY}/0"

        async def write(my: Stores) -> int:
            return (await my.slates.write([slate("ann", as_of(1))])).n_written

        right = StoreSettings(url=f"{where}?sentinel_password=s3ntinel-pw")

        def is_written() -> bool:
            try:
                return with_stores(right, write) == 1
            except Unavailable:  # the sentinel names no primary before it has reached it
                return False

        wait_until(is_written)
        assert Reader(right).slate("ann", "default") is not None
        for wrong in (where, f"{where}?sentinel_password=gu3ss-gu3ss"):
            with pytest.raises(ConfigError, match="sentinel_password") as raised:
                with_stores(StoreSettings(url=wrong), write)
            assert "gu3ss" not in str(raised.value)


# --- failover by host name


def test_a_busy_worker_follows_a_name_that_leads_to_another_server(
    pair: list[RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old primary stays up as a replica: it answers everything, and refuses every write, on every connection."""
    primary, replica = pair
    leads_to = primary.port
    look_up = socket.getaddrinfo

    def resolve(host, port, *args, **kwargs):  # type: ignore[no-untyped-def]
        return (
            look_up("127.0.0.1", leads_to, *args, **kwargs)
            if host == "redis.shop"
            else look_up(host, port, *args, **kwargs)
        )

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    store = StoreSettings(url="redis://redis.shop:6379/0", backoff_max_seconds=0.1)
    reader = Reader(store)

    async def busy(my: Stores, offsets: range) -> None:
        for offset in offsets:
            await persistently(my, lambda offset=offset: my.slates.write(slates(USERS, as_of(offset))))  # type: ignore[misc]

    async def story(my: Stores) -> None:
        nonlocal leads_to
        await asyncio.gather(*(busy(my, range(at, 40, 4)) for at in range(4)))
        assert reader.slate("u0", "default") is not None
        ask(replica.port, "REPLICAOF", "NO", "ONE")
        ask(primary.port, "REPLICAOF", "127.0.0.1", replica.port)
        leads_to = replica.port
        await asyncio.gather(*(busy(my, range(40 + at, 80, 4)) for at in range(4)))
        assert my.redis.writes.seconds_in_vain() == 0.0
        found = await my.slates.read("u0")
        assert found is not None
        assert found.as_of.offset == 79

    with_stores(store, story)
    with redis.Redis(port=replica.port) as client:
        assert b'"offset":79' in client.get("rec:default:u0")
    reader.close()


def test_a_virtual_address_that_moves_is_followed_too(pair: list[RedisServer]) -> None:
    """What was connected stays connected to the old primary, which is now read-only."""
    primary, replica = pair

    async def story(my: Stores) -> None:
        await my.slates.write(slates(USERS, as_of(1)))
        ask(replica.port, "REPLICAOF", "NO", "ONE")
        ask(primary.port, "REPLICAOF", "127.0.0.1", replica.port)
        address.behind = replica.port
        with pytest.raises(Unavailable, match="read only"):
            await my.slates.write(slates(USERS, as_of(2)))
        assert (await my.slates.write(slates(USERS, as_of(2)))).n_written == len(USERS)

    with front(primary.port) as address:
        with_stores(StoreSettings(url=f"redis://127.0.0.1:{address.port}/0"), story)


# --- replicas


def test_a_reader_reads_from_a_replica(pair: list[RedisServer]) -> None:
    primary, replica = pair

    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(1))])

    with_stores(StoreSettings(url=primary.url), story)
    reader = Reader(StoreSettings(url=replica.url))
    assert wait_until(lambda: reader.slate("ann", "default"), what="the slate on the replica").as_of == as_of(
        1
    )
    reader.close()


def test_a_worker_at_a_replica_waits_and_the_doctor_says_why(pair: list[RedisServer]) -> None:
    _, replica = pair

    async def story(my: Stores) -> None:
        with pytest.raises(Unavailable):
            await my.slates.write([slate("ann", as_of(1))])

    with_stores(StoreSettings(url=replica.url), story)
    assert any(
        one.status == "fail" and "it is a replica" in one.what
        for one in findings(StoreSettings(url=replica.url))
    )


def test_writes_that_need_replicas_are_waited_for(pair: list[RedisServer]) -> None:
    """NOREPLICAS, through every pipeline of ours."""
    primary, _ = pair

    async def story(my: Stores) -> None:
        ask(primary.port, "CONFIG", "SET", "min-replicas-to-write", 2)
        for attempt in (
            lambda: my.slates.write([slate("ann", as_of(1))]),
            lambda: my.lists.remove_items(["a"]),
            lambda: my.lists.restore_items(["a"]),
        ):
            with pytest.raises(Unavailable, match=r"(?i)replicas"):
                await attempt()
        with capture_logs() as said:
            waits = asyncio.ensure_future(persistently(my, lambda: my.lists.remove_items(["a"])))
            await wait_until_async(lambda: bool(said))
            ask(primary.port, "CONFIG", "SET", "min-replicas-to-write", 0)
            assert await waits == 0

    with_stores(StoreSettings(url=primary.url, backoff_max_seconds=0.1), story)
