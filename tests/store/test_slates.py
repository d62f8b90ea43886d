"""Slates in Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from stream_rec.embedded.redis_server import RedisServer
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.records import AsOf
from stream_rec.settings import StoreSettings
from stream_rec.store.keys import NEVER
from stream_rec.store.reader import Reader
from stream_rec.store.slates import Written
from tests.hanging import hanging
from tests.store.building import LOG, Stores, as_of, slate, slates, with_stores, worker


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url)


@pytest.fixture
def plain(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url, decode_responses=True)


def test_get_shows_a_slate_a_person_can_read(store: StoreSettings, plain: redis.Redis) -> None:
    async def story(my: Stores) -> Written:
        return await my.slates.write([slate("ann", as_of(5), ["milk", "bröd"])])

    assert with_stores(store, story) == Written(1, 0, False)
    held = plain.get("rec:default:ann")
    assert held.startswith(
        '{"as_of":{"log":"fQx3+Pb1/9m-Zw==","partition":0,"offset":5,"broker_ts":1700000000005,'
    )
    assert json.loads(held)["items"] == [
        {"item_id": "milk", "score": 1.0, "reason": {"source": "popularity"}},
        {"item_id": "bröd", "score": 0.5, "reason": {"source": "popularity"}},
    ]


def test_a_slate_expires_and_writing_it_again_renews_it(redis_url: str, plain: redis.Redis) -> None:
    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(5))])
        plain.expire("rec:default:ann", 10)
        await my.slates.write([slate("ann", as_of(5))])

    with_stores(StoreSettings(url=redis_url, slate_ttl_seconds=1000), story)
    assert 990 < plain.ttl("rec:default:ann") <= 1000


def test_what_a_user_never_wants_to_see_outlives_the_slates(redis_url: str, plain: redis.Redis) -> None:
    async def story(my: Stores) -> None:
        both = [slate("ann", as_of(5)), *slates(["ann"], as_of(5), scenario=NEVER)]
        assert await my.slates.write(both, ttl_seconds=10) == Written(2, 0, False)

    with_stores(StoreSettings(url=redis_url, slate_ttl_seconds=1000, never_ttl_seconds=5000), story)
    assert plain.ttl("rec:default:ann") <= 10
    assert 4990 < plain.ttl("rec:_never:ann") <= 5000


def test_what_was_written_can_be_read(store: StoreSettings) -> None:
    async def story(my: Stores) -> None:
        await my.slates.write(slates(["ann"], as_of(3), scenario="home"))
        found = await my.slates.read("ann", "home")
        assert found is not None
        assert (found.user_id, found.as_of) == ("ann", as_of(3))
        assert await my.slates.read("ann") is None

    with_stores(store, story)
    reader = Reader(store)
    found = [each and each.user_id for each in reader.slates(["bob", "ann"], "home")]
    reader.close()
    assert found == [None, "ann"]


@pytest.mark.parametrize("user", ["{tag}:1", "a:b:c", "}{", "å b\n\r\nc", "*", "x" * 256, '"'])
def test_any_user_id_is_a_key_as_it_is(store: StoreSettings, plain: redis.Redis, user: str) -> None:
    async def story(my: Stores) -> None:
        await my.slates.write([slate(user, as_of(1))])
        assert (await my.slates.read(user)).user_id == user  # type: ignore[union-attr]

    with_stores(store, story)
    assert plain.exists(f"rec:default:{user}")


@pytest.mark.parametrize("scenario", ["", "a:b", "{x}", "two words"])
def test_a_scenario_that_would_make_keys_ambiguous_is_refused(store: StoreSettings, scenario: str) -> None:
    async def story(my: Stores) -> None:
        with pytest.raises(ConfigError, match="scenario"):
            await my.slates.write(slates(["ann"], as_of(1), scenario=scenario))

    with_stores(store, story)


def test_tenants_do_not_see_each_other(redis_url: str) -> None:
    async def write(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(1))])

    async def read(my: Stores) -> object:
        return await my.slates.read("ann")

    with_stores(StoreSettings(url=redis_url, prefix="one:"), write)
    assert with_stores(StoreSettings(url=redis_url, prefix="two:"), read) is None


# --- an older slate never replaces a newer one

positions = st.builds(
    AsOf,
    log=st.sampled_from(["log-a", "log-b"]),
    partition=st.integers(0, 1),
    offset=st.integers(0, 12),
    broker_ts=st.integers(-1, 12),
    event_ts=st.just(0.0),
) | st.builds(AsOf.of_batch, st.integers(0, 12), st.just(0.0))


def obviously_older(new: AsOf, held: AsOf) -> bool:
    """The rule, slowly."""
    if (new.log, new.partition) == (held.log, held.partition):
        return new.offset < held.offset
    return new.broker_ts < held.broker_ts


@given_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.lists(st.tuples(st.sampled_from("uv"), positions), min_size=1, max_size=24))
def test_any_sequence_of_writes_ends_as_the_rule_says(
    redis_server: RedisServer, writes: list[tuple[str, AsOf]]
) -> None:
    held: dict[str, AsOf] = {}
    n_stale = 0
    for user, at in writes:
        if user in held and obviously_older(at, held[user]):
            n_stale += 1
        else:
            held[user] = at

    async def story(my: Stores) -> None:
        await my.redis.execute("FLUSHDB")
        written = await my.slates.write([slate(user, at) for user, at in writes])
        assert written == Written(len(writes) - n_stale, n_stale, False)
        for user, at in held.items():
            assert (await my.slates.read(user)).as_of == at  # type: ignore[union-attr]

    with_stores(StoreSettings(url=redis_server.url, pipeline_keys=7), story)


BATCH = AsOf.of_batch(1_900_000_000_000, 1_800_000_000.0, 7)
"""Trained long after all of the stream's events, by the clocks."""


@pytest.mark.parametrize("live", [as_of(0), as_of(0, broker_ts=0), as_of(0, broker_ts=-1)])
def test_a_batch_slate_gives_way_to_any_live_one_and_never_takes_its_place(
    store: StoreSettings, plain: redis.Redis, live: AsOf
) -> None:
    async def story(my: Stores) -> None:
        assert await my.slates.write([slate("ann", BATCH)]) == Written(1, 0, False)
        assert await my.slates.write([slate("ann", live)]) == Written(1, 0, False)
        plain.expire("rec:default:ann", 10)
        assert await my.slates.write([slate("ann", BATCH)]) == Written(0, 1, False)
        assert [each and each.as_of for each in await my.slates.read_all(["ann", "bob"])] == [live, None]

    with_stores(store, story)
    assert plain.ttl("rec:default:ann") <= 10, "what is left is not renewed"


def test_a_later_training_takes_the_place_of_an_earlier_one_and_renews_it(
    store: StoreSettings, plain: redis.Redis
) -> None:
    earlier = AsOf.of_batch(BATCH.offset - 1, BATCH.event_ts, 9)

    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", earlier)])
        plain.expire("rec:default:ann", 10)
        assert (await my.slates.write([slate("ann", BATCH)])).n_written == 1
        assert (await my.slates.write([slate("ann", earlier)])).n_stale == 1
        assert (await my.slates.read("ann")).as_of == BATCH  # type: ignore[union-attr]

    with_stores(store, story)
    assert plain.ttl("rec:default:ann") > 10


@st.composite
def histories(draw: st.DrawFn) -> list[list[AsOf]]:
    """What several workers write for one user, each in its own order.

    Each reads one partition of one incarnation of the log, forwards, and may begin again further back, as after a
    crash. The broker's clock never goes back, so all positions have one true order: that of time.
    """
    streams = []
    for log, begin in (("log-a", 0), ("log-b", 20)):  # the topic was recreated at 20
        for _ in range(draw(st.integers(1, 2))):
            offsets = sorted(draw(st.lists(st.integers(0, 19), min_size=1, max_size=6)))
            again = draw(st.integers(0, len(offsets)))
            streams.append([AsOf(log, 0, o, begin + o, 0.0) for o in offsets + offsets[again:]])
    return streams


@given_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(streams=histories(), data=st.data())
def test_whatever_the_interleaving_the_newest_slate_stays(
    redis_server: RedisServer, streams: list[list[AsOf]], data: st.DataObject
) -> None:
    newest = max((at for stream in streams for at in stream), key=lambda at: at.broker_ts)
    turns = data.draw(st.permutations([i for i, stream in enumerate(streams) for _ in stream]))

    async def story(my: Stores) -> None:
        await my.redis.execute("FLUSHDB")
        left = [iter(stream) for stream in streams]
        best = -1
        for turn in turns:
            await my.slates.write([slate("u", next(left[turn]))])
            seen = (await my.slates.read("u")).as_of.broker_ts  # type: ignore[union-attr]
            assert seen >= best, "a reader saw an older slate after a newer one"
            best = seen
        assert best == newest.broker_ts

    with_stores(StoreSettings(url=redis_server.url), story)


def test_workers_that_write_at_once_leave_the_newest_slate(store: StoreSettings) -> None:
    """Forty offsets, dealt to four workers, written over separate connections at the same time."""

    async def one(my: Stores, offsets: Sequence[int]) -> None:
        for offset in offsets:
            await my.slates.write(slates(["u", "v"], as_of(offset)))

    async def story(my: Stores) -> None:
        workers = [worker(my.settings) for _ in range(4)]
        await asyncio.gather(*(one(each, range(i, 40, 4)) for i, each in enumerate(workers)))
        for each in workers:
            await each.redis.aclose()
        assert (await my.slates.read("u")).as_of.offset == 39  # type: ignore[union-attr]
        assert (await my.slates.read("v")).as_of.offset == 39  # type: ignore[union-attr]

    with_stores(store, story)


HUGE = '{"as_of":{"log":"%s","partition":0,"offset":%s,"broker_ts":%s,'


@pytest.mark.parametrize(
    "foreign",
    [
        "not ours",
        '{"as_of":{}}',
        "",
        HUGE % (LOG, "9" * 400, 1),
        HUGE % ("another", 1, "9" * 17),
    ],
)
def test_a_value_that_is_no_slate_is_overwritten(
    store: StoreSettings, plain: redis.Redis, foreign: str
) -> None:
    plain.set("rec:default:ann", foreign)

    async def story(my: Stores) -> Written:
        return await my.slates.write([slate("ann", as_of(0))])

    assert with_stores(store, story).n_written == 1


def test_a_key_of_another_type_is_overwritten(store: StoreSettings, plain: redis.Redis) -> None:
    plain.hset("rec:default:ann", "field", "value")

    async def story(my: Stores) -> Written:
        return await my.slates.write([slate("ann", as_of(0))])

    assert with_stores(store, story).n_written == 1


# --- one EVALSHA per key, and a server that forgets or fails


@pytest.mark.parametrize(("in_pipeline", "in_script", "calls"), [(4, 64, 7), (100, 10, 3), (100, 1, 25)])
def test_calls_and_pipelines_are_bounded(
    redis_url: str, plain: redis.Redis, in_pipeline: int, in_script: int, calls: int
) -> None:
    users = [f"u{i}" for i in range(25)]

    async def story(my: Stores) -> None:
        await my.slates.write([slate("warm-up", as_of(0))])
        plain.config_resetstat()
        assert await my.slates.write(slates(users, as_of(1))) == Written(25, 0, False)

    with_stores(StoreSettings(url=redis_url, pipeline_keys=in_pipeline, keys_per_script=in_script), story)
    assert plain.info("commandstats")["cmdstat_evalsha"]["calls"] == calls
    assert sum(1 for _ in plain.scan_iter("rec:default:u*")) == 25


def test_scripts_that_redis_forgot_are_loaded_again(store: StoreSettings, plain: redis.Redis) -> None:
    async def story(my: Stores) -> None:
        for offset in range(3):
            plain.script_flush()
            assert await my.slates.write(slates(["u", "v"], as_of(offset))) == Written(2, 0, False)

    with_stores(store, story)


def test_a_redis_that_is_down_is_unavailable_and_back_when_it_is_back(redis_server: RedisServer) -> None:
    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(1))])
        redis_server.down()
        try:
            with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
                await my.slates.write([slate("ann", as_of(2))])
        finally:
            redis_server.start_again()
        assert await my.slates.write([slate("ann", as_of(2))]) == Written(1, 0, False)

    with_stores(StoreSettings(url=redis_server.url), story)


def test_a_redis_that_is_full_is_unavailable_until_there_is_room(
    store: StoreSettings, plain: redis.Redis
) -> None:
    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(1))])
        plain.config_set("maxmemory", "1")
        try:
            with pytest.raises(Unavailable, match="memory"):
                await my.slates.write([slate("ann", as_of(2))])
        finally:
            plain.config_set("maxmemory", "0")
        assert await my.slates.write([slate("ann", as_of(2))]) == Written(1, 0, False)

    with_stores(store, story)


def test_a_write_cancelled_in_the_middle_leaves_no_answers_behind(
    store: StoreSettings, redis_server: RedisServer
) -> None:
    """The answers of a cancelled pipeline must not be taken for those of the next one."""

    async def story(my: Stores) -> None:
        await my.slates.write(slates(["u"], as_of(5)))
        with hanging(redis_server.pid), pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(my.slates.write(slates(["u", "v", "w"], as_of(9))), 0.1)
        written = await my.slates.write([slate("u", as_of(1)), slate("x", as_of(1))])
        assert written == Written(1, 1, False)
        assert (await my.slates.read("x")).user_id == "x"  # type: ignore[union-attr]

    with_stores(store, story)


def test_markers_are_left_alone_unless_told(store: StoreSettings, plain: redis.Redis) -> None:
    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, -1)
        await my.slates.write([slate("ann", as_of(1))])

    with_stores(store, story)
    assert not plain.exists("marker:0")
