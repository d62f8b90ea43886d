"""Does a worker notice that Redis has lost slates, and only then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
import redis
from structlog.testing import capture_logs

from stream_rec.clock import ManualClock
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.settings import StoreSettings
from stream_rec.store.markers import CALM_SECONDS, Upto
from stream_rec.store.rate import RateLimiter
from tests.store.building import LOG, Stores, as_of, slate, slates, with_stores, worker


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url)


@pytest.fixture
def plain(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


async def first_slates(my: Stores, upto: int = 10) -> None:
    """Take partition 0 over at its beginning and write up to an offset."""
    my.markers.own(0, LOG, -1)
    assert await my.markers.complete(await my.markers.begin(0))
    written = await my.slates.write([slate("ann", as_of(upto))], Upto(0, upto))
    assert not written.lost
    assert await my.markers.detect() == frozenset()


def restart_empty(server: RedisServer) -> None:
    server.down()
    server.start_again()


def restart_with_data(server: RedisServer) -> None:
    server.down(keep_data=True)
    server.start_again()


def test_the_marker_says_up_to_where_slates_are_written(store: StoreSettings, plain: redis.Redis) -> None:
    with_stores(store, first_slates)
    assert json.loads(plain.get("marker:0")) == {"log": LOG, "offset": 10}
    assert plain.ttl("marker:0") == -1


def test_a_batch_without_slates_moves_the_marker_too(store: StoreSettings, plain: redis.Redis) -> None:
    async def story(my: Stores) -> None:
        await first_slates(my)
        assert not (await my.slates.write([], Upto(0, 14))).lost

    with_stores(store, story)
    assert json.loads(plain.get("marker:0"))["offset"] == 14


def test_a_partition_never_seen_by_this_redis_counts_as_lost(store: StoreSettings) -> None:
    async def story(my: Stores) -> None:
        my.markers.own(3, LOG, 99)
        assert await my.markers.detect() == {3}

    with_stores(store, story)


def test_the_first_write_after_redis_came_back_empty_says_so(redis_server: RedisServer) -> None:
    async def story(my: Stores) -> None:
        await first_slates(my)
        restart_empty(redis_server)
        await my.redis.drop()
        written = await my.slates.write([slate("bob", as_of(11))], Upto(0, 11))
        assert (written.n_written, written.lost) == (1, True)
        assert await my.redis.execute("GET", "marker:0") is None, (
            "until the rewrite, a successor must see the loss too"
        )
        assert await my.markers.detect() == {0}

    with_stores(StoreSettings(url=redis_server.url), story)


def test_an_idle_partition_is_found_lost_without_a_write(redis_server: RedisServer) -> None:
    async def story(my: Stores) -> None:
        await first_slates(my)
        restart_empty(redis_server)
        await my.redis.drop()
        assert await my.markers.detect() == {0}

    with_stores(StoreSettings(url=redis_server.url), story)


def test_a_restart_that_kept_the_data_is_no_loss(redis_server: RedisServer) -> None:
    async def story(my: Stores) -> None:
        await first_slates(my)
        restart_with_data(redis_server)
        await my.redis.drop()
        assert await my.markers.detect() == frozenset()
        assert not (await my.slates.write([slate("ann", as_of(11))], Upto(0, 11))).lost

    with_stores(StoreSettings(url=redis_server.url), story)


def test_a_redis_that_came_back_from_an_older_copy_is_behind(
    store: StoreSettings, plain: redis.Redis
) -> None:
    async def story(my: Stores) -> None:
        await first_slates(my)
        older = plain.get("marker:0")
        await my.slates.write([slate("ann", as_of(20))], Upto(0, 20))
        plain.set("marker:0", older)
        assert await my.markers.detect() == {0}
        assert (await my.slates.write([slate("ann", as_of(21))], Upto(0, 21))).lost
        assert plain.get("marker:0") == older

    with_stores(store, story)


@pytest.mark.parametrize("held", ["nonsense", '{"log":7}', "{}", '{"log":"another","offset":50}'])
def test_a_marker_that_proves_nothing_counts_as_lost(
    store: StoreSettings, plain: redis.Redis, held: str
) -> None:
    async def story(my: Stores) -> None:
        await first_slates(my)
        plain.set("marker:0", held)
        assert await my.markers.detect() == {0}
        assert (await my.slates.write([], Upto(0, 11))).lost

    with_stores(store, story)


def test_the_next_owner_goes_on_from_the_last_ones_marker(store: StoreSettings) -> None:
    async def story(my: Stores) -> None:
        await first_slates(my, upto=10)
        successor = worker(my.settings)
        successor.markers.own(0, LOG, 7)  # committed less than was written
        assert await successor.markers.detect() == frozenset()
        assert not (await successor.slates.write([slate("ann", as_of(9))], Upto(0, 9))).lost
        await successor.redis.aclose()

    with_stores(store, story)


def test_a_late_write_of_the_last_owner_never_moves_the_marker_back(
    store: StoreSettings, plain: redis.Redis
) -> None:
    async def story(my: Stores) -> None:
        await first_slates(my, upto=10)
        successor = worker(my.settings)
        successor.markers.own(0, LOG, 10)
        await successor.slates.write([slate("ann", as_of(30))], Upto(0, 30))
        assert (await my.slates.write([slate("ann", as_of(12))], Upto(0, 12))).n_stale == 1
        assert await successor.markers.detect() == frozenset()
        await successor.redis.aclose()

    with_stores(store, story)
    assert json.loads(plain.get("marker:0"))["offset"] == 30


def test_after_release_slates_are_written_but_the_marker_stays(
    store: StoreSettings, plain: redis.Redis
) -> None:
    async def story(my: Stores) -> None:
        await first_slates(my, upto=10)
        my.markers.release(0)
        written = await my.slates.write([slate("ann", as_of(12))], Upto(0, 12))
        assert (written.n_written, written.lost) == (1, False)
        assert await my.markers.detect() == frozenset()

    with_stores(store, story)
    assert json.loads(plain.get("marker:0"))["offset"] == 10


# --- writing again


async def rewrite_all(my: Stores, users: list[str], limiter: RateLimiter) -> bool:
    """What a worker does with the answer of `detect`."""
    rewrite = await my.markers.begin(0)
    for start in range(0, len(users), 8):
        chunk = users[start : start + 8]
        my.clock.advance(limiter.reserve(len(chunk)))
        await my.slates.write(slates(chunk, as_of(10)))
    return await my.markers.complete(rewrite)


def test_slates_come_back_after_redis_came_back_empty(redis_server: RedisServer) -> None:
    users = [f"u{i}" for i in range(50)]

    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, -1)
        assert await my.markers.complete(await my.markers.begin(0))
        await my.slates.write(slates(users, as_of(10)), Upto(0, 10))
        restart_empty(redis_server)
        await my.redis.drop()
        assert await my.markers.detect() == {0}

        began = my.clock.now()
        assert await rewrite_all(my, users, RateLimiter(100, my.clock))
        assert my.clock.now() - began == pytest.approx(0.48), "six pauses of 8 slates at 100 a second"

        assert await my.markers.detect() == frozenset()
        assert not (await my.slates.write([], Upto(0, 11))).lost
        for user in users:
            assert await my.slates.read(user) is not None

    with_stores(StoreSettings(url=redis_server.url), story)


def test_a_rewrite_does_not_put_old_slates_over_new_ones(store: StoreSettings) -> None:
    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, 10)
        rewrite = await my.markers.begin(0)
        assert not (await my.slates.write([slate("ann", as_of(12))], Upto(0, 12))).lost
        assert (await my.slates.write([slate("ann", as_of(10))])).n_stale == 1
        assert await my.markers.complete(rewrite)
        assert (await my.slates.read("ann")).as_of == as_of(12)  # type: ignore[union-attr]
        assert await my.markers.detect() == frozenset()

    with_stores(store, story)


@pytest.mark.parametrize("restart", [restart_empty, restart_with_data])
def test_a_restart_in_the_middle_of_a_rewrite_makes_it_begin_anew(redis_server: RedisServer, restart) -> None:  # type: ignore[no-untyped-def]
    """Also one that kept the data: the last second of it may be missing."""

    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, 10)
        rewrite = await my.markers.begin(0)
        assert await my.markers.detect() == frozenset(), "it is being rewritten"
        restart(redis_server)
        await my.redis.drop()
        assert await my.markers.detect() == {0}
        assert not await my.markers.complete(rewrite)
        assert await my.markers.detect() == {0}
        assert await my.markers.complete(await my.markers.begin(0))
        assert await my.markers.detect() == frozenset()

    with_stores(StoreSettings(url=redis_server.url), story)


def test_whoever_takes_over_in_the_middle_of_a_rewrite_begins_it_anew(store: StoreSettings) -> None:
    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, 10)
        unfinished = await my.markers.begin(0)
        successor = worker(my.settings)
        successor.markers.own(0, LOG, 10)
        assert await successor.markers.detect() == {0}
        theirs = await successor.markers.begin(0)
        assert not await my.markers.complete(unfinished)
        assert await successor.markers.complete(theirs)
        await successor.redis.aclose()

    with_stores(store, story)


def test_writes_and_the_end_of_a_rewrite_at_the_same_moment_are_no_loss(store: StoreSettings) -> None:
    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, 0)
        for offset in range(1, 100):
            rewrite = await my.markers.begin(0)
            await asyncio.gather(
                my.slates.write([slate("ann", as_of(offset))], Upto(0, offset)), my.markers.complete(rewrite)
            )
            assert await my.markers.detect() == frozenset()

    with_stores(store, story)


def test_a_user_that_may_not_ask_for_the_servers_id_still_finds_losses(
    redis_url: str, plain: redis.Redis
) -> None:
    plain.execute_command("ACL", "SETUSER", "narrow", "on", ">pw", "~*", "+@all", "-info")
    try:

        async def story(my: Stores) -> None:
            await first_slates(my)
            plain.delete("marker:0")
            assert await my.markers.detect() == {0}

        with_stores(StoreSettings(url=redis_url.replace("//", "//narrow:pw@")), story)
    finally:
        plain.execute_command("ACL", "DELUSER", "narrow")


def test_many_partitions_are_read_in_bounded_pipelines(redis_url: str) -> None:
    async def story(my: Stores) -> None:
        for partition in range(20):
            my.markers.own(partition, LOG, -1)
        for partition in range(0, 20, 2):
            await my.markers.complete(await my.markers.begin(partition))
        assert await my.markers.detect() == frozenset(range(1, 20, 2))

    with_stores(StoreSettings(url=redis_url, pipeline_keys=3), story)


def test_the_limiter_spreads_what_is_reserved() -> None:
    clock = ManualClock()
    limiter = RateLimiter(10, clock)
    assert [limiter.reserve(5), limiter.reserve(5), limiter.reserve(5)] == pytest.approx([0.0, 0.5, 1.0])
    clock.advance(60.0)
    assert [limiter.reserve(5), limiter.reserve(5)] == pytest.approx([0.0, 0.5]), "idle time is not saved up"


# --- losses that come again and again: K8


async def repaired(my: Stores, plain: redis.Redis, seconds: int, step: int = 2) -> int:
    """How often the partition is written again by a worker that looks every `step` s, while its marker never stays."""
    n = 0
    for _ in range(0, seconds, step):
        plain.delete("marker:0")
        if await my.markers.detect():
            await my.markers.complete(await my.markers.begin(0))
            n += 1
        my.clock.advance(step)
    return n


def test_a_redis_that_evicts_markers_is_not_written_again_without_end(
    redis_url: str, plain: redis.Redis
) -> None:
    plain.config_set("maxmemory-policy", "allkeys-random")
    try:

        async def story(my: Stores) -> None:
            my.markers.own(0, LOG, -1)
            with capture_logs() as said:
                assert await repaired(my, plain, 96) <= 4
                my.markers.release(0)
                my.markers.own(0, LOG, -1)
                assert await repaired(my, plain, 24 * 3600, step=60) <= 32
            assert len(said) == 1, "it is said once"
            assert "allkeys-random" in said[0]["why"]
            assert "volatile-ttl" in said[0]["fix"]

        with_stores(StoreSettings(url=redis_url), story)
    finally:
        plain.config_set("maxmemory-policy", "noeviction")


def test_a_restart_is_made_up_for_at_once_whatever_was_before(redis_server: RedisServer) -> None:
    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, -1)
        with redis.Redis.from_url(redis_server.url) as plain:
            await repaired(my, plain, 600)
        assert await my.markers.detect() == frozenset()
        restart_empty(redis_server)
        await my.redis.drop()
        assert await my.markers.detect() == {0}

    with_stores(StoreSettings(url=redis_server.url), story)


def test_after_a_calm_time_a_loss_is_made_up_for_at_once(store: StoreSettings, plain: redis.Redis) -> None:
    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, -1)
        await repaired(my, plain, 600)
        my.clock.advance(CALM_SECONDS)
        await my.markers.complete(await my.markers.begin(0))
        plain.delete("marker:0")
        assert await my.markers.detect() == {0}

    with_stores(store, story)
