"""Each worker learns the whole log exactly once, whoever owns what, and whoever comes and goes."""

from __future__ import annotations

import asyncio
import gc
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
import redis
from confluent_kafka.admin import AdminClient, NewPartitions

from stream_rec.bus.topics import ensure_topics
from stream_rec.consumers.worker import Worker
from stream_rec.engine.engine import Engine
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import Item
from stream_rec.schemas.topics import FOLLOWED, full_name
from stream_rec.settings import BusSettings, Settings, StoreSettings
from tests.consumers.group import n_learned, owned, served, split, until
from tests.consumers.publishing import clicks, publish, publish_events
from tests.consumers.running import behind, slates
from tests.consumers.serving import SMALL, serving
from tests.consumers.witness import wrongly_learned


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()  # a Kafka client lives until it is collected


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"engine": SMALL})


def reached(engine: Engine) -> dict[tuple[str, int], int]:
    """Positions in partitions that hold something."""
    return {where: position for where, position in engine.position.items() if position}


def test_two_workers_learn_everything_through_joining_and_leaving_under_traffic(settings: Settings) -> None:
    engines = [Engine(SMALL) for _ in range(3)]

    async def scenario() -> dict[str, tuple[int, int]]:
        last: dict[str, tuple[int, int]] = {}

        async def traffic(seed: int) -> None:
            for part in range(4):
                published = await asyncio.to_thread(
                    publish_events, settings.bus, clicks(400, seed=seed + part)
                )
                last.update(published.last)

        begin = asyncio.create_task
        await asyncio.to_thread(ensure_topics, settings.bus)
        items = [(f"i{n}".encode(), encode(Item(f"i{n}", tags=("tag",)))) for n in range(50)]
        await asyncio.to_thread(publish, settings.bus, "items", items)
        async with serving(settings, engines[0]) as first:
            await split(settings, first)
            writing = begin(traffic(10))
            async with serving(settings, engines[1]) as second:
                await split(settings, first, second)
                await writing
                await until(
                    lambda: n_learned(engines[0]) == n_learned(engines[1]) == 1_600, "both to know all"
                )
                # The count moves while a batch is learned, the position when it has been.
                await until(
                    lambda: reached(engines[0]) == reached(engines[1]), "both to have reached the end"
                )
                writing = begin(traffic(20))
            await split(settings, first)
            await writing
            async with serving(settings, engines[2]) as third:
                writing = begin(traffic(30))
                await split(settings, first, third)
                await writing
                await until(
                    lambda: n_learned(engines[0]) == n_learned(engines[2]) == 4_800, "both to know all"
                )
                await served(settings, 4_800)
        return last

    last = asyncio.run(scenario())
    assert wrongly_learned(settings.bus, engines[0]) == {}
    assert wrongly_learned(settings.bus, engines[2]) == {}
    assert behind(settings, last) == {}


def test_a_worker_that_owns_nothing_follows_everything_and_is_ready(tansu_settings: Settings) -> None:
    """Five topics of one partition, six workers."""
    bus = tansu_settings.bus.model_copy(update={"partitions": 1})
    settings = tansu_settings.model_copy(update={"engine": SMALL, "bus": bus})
    engines = [Engine(SMALL) for _ in range(6)]

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            workers = [await stack.enter_async_context(serving(settings, engine)) for engine in engines]
            await split(settings, *workers)
            assert sorted(len(owned(worker)) for worker in workers) == [0, 1, 1, 1, 1, 1]
            await asyncio.to_thread(publish_events, settings.bus, clicks(900))
            await until(lambda: all(n_learned(engine) == 900 for engine in engines), "all to know all")
            await until(
                lambda: all(worker.parts.health.ready() == "" for worker in workers), "all to be ready"
            )
            for worker in workers:
                followed = {(name, partition) for name, partition, _ in worker.parts.follower.lags()}
                assert followed | owned(worker) == {(name, 0) for name in FOLLOWED}
                assert not followed & owned(worker)
                await assert_it_says_so(worker)

    asyncio.run(scenario())
    for engine in engines:
        assert wrongly_learned(settings.bus, engine) == {}


async def assert_it_says_so(worker: Worker) -> None:
    """Over HTTP: the probes, and the lag of what it follows."""
    base = worker.parts.metrics.url.removesuffix("/metrics")
    for probe in ("live", "ready"):
        assert await asyncio.to_thread(get, f"{base}/{probe}") == (200, "yes\n")
    wanted = [
        f'stream_rec_follower_lag{{partition="{partition}",topic="{name}"}} 0.0'
        for name, partition, _ in worker.parts.follower.lags()
    ]

    async def said() -> bool:
        _, text = await asyncio.to_thread(get, worker.parts.metrics.url)
        found = sorted(line for line in text.splitlines() if line.startswith("stream_rec_follower_lag{"))
        return found == sorted(wanted)

    while not await said():
        await asyncio.sleep(0.1)


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return int(reply.status), reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_one_worker_that_owns_everything_follows_nothing(tansu_settings: Settings) -> None:
    settings = tansu_settings.model_copy(update={"engine": SMALL})
    engine = Engine(SMALL)

    async def scenario() -> None:
        async with serving(settings, engine) as worker:
            await split(settings, worker)
            await asyncio.to_thread(publish_events, settings.bus, clicks(300))
            await until(lambda: n_learned(engine) == 300, "all to be learned")
            assert list(worker.parts.follower.lags()) == []

    asyncio.run(scenario())


def test_a_worker_that_is_told_to_stop_before_it_has_joined_ends_without_a_failure(
    tansu_settings: Settings,
) -> None:
    async def scenario() -> None:
        async with serving(tansu_settings.model_copy(update={"engine": SMALL}), Engine(SMALL)):
            pass

    asyncio.run(scenario())


@pytest.mark.kafka
def test_partitions_added_to_topics_are_followed_then_owned_and_served(
    kafka: str, prefix: str, redis_url: str
) -> None:
    """Two workers; topics grow from two partitions to five, and then Redis loses all slates."""
    settings = Settings(
        bus=BusSettings(
            bootstrap=kafka, prefix=prefix, group=f"{prefix}g", partitions=2, metadata_seconds=0.5
        ),
        store=StoreSettings(url=redis_url, prefix=prefix),
        engine=SMALL,
    )
    engines = [Engine(SMALL) for _ in range(2)]

    async def scenario() -> None:
        async with serving(settings, engines[0]) as one, serving(settings, engines[1]) as two:
            await split(settings, one, two)
            before = await asyncio.to_thread(publish_events, settings.bus, clicks(300))
            await served(settings, 300)
            grown = [
                NewPartitions(full_name(prefix, name), 5) for name in ("events", "impressions", "slates")
            ]
            admin = AdminClient({"bootstrap.servers": kafka})
            for future in admin.create_partitions(grown).values():
                await asyncio.to_thread(future.result)
            await until(
                lambda: len(owned(one) | owned(two)) == 14 and not owned(one) & owned(two), "all to be owned"
            )
            with redis.Redis.from_url(redis_url) as client:
                client.flushall()
            users = set(before.last)
            await until(lambda: all(slates(settings, users).values()), "the lost slates of all users")
            later = await asyncio.to_thread(publish_events, settings.bus, clicks(600, users=400, seed=2))
            assert {partition for partition, _ in later.at} == set(range(5))
            await until(lambda: n_learned(engines[0]) == n_learned(engines[1]) == 900, "both to know all")
            await served(settings, 900)
            misrouted = [worker.parts.measures.live().get("misrouted") for worker in (one, two)]
            assert misrouted == [0, 0]
            assert await asyncio.to_thread(behind, settings, later.last) == {}

    asyncio.run(scenario())
