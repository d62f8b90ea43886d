"""A worker over a cluster, over sentinels, and over a Redis that is not as its address says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from redis.crc import key_slot
from structlog.testing import capture_logs

from stream_rec.bus.topics import ensure_topics
from stream_rec.consumers.worker import Worker
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.settings import Settings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import behind
from tests.consumers.serving import SMALL, serve
from tests.store.servers import ask, cluster, sentinel_trio
from tests.waiting import wait_until_async


def at(settings: Settings, url: str, **more: float) -> Settings:
    """A small worker with this Redis."""
    store = settings.store.model_copy(update={"url": url, "backoff_max_seconds": 0.2, **more})
    return settings.model_copy(update={"engine": SMALL, "store": store})


def served_through(settings: Settings, change: Callable[[Callable[[int], None]], Awaitable[object]]) -> None:
    """Events before, while, and after something changes: in the end every user's slate knows the last event."""
    ensure_topics(settings.bus)
    last = publish_events(settings.bus, clicks(500)).last

    def publish(seed: int) -> None:
        last.update(publish_events(settings.bus, clicks(100, seed=seed, users=20)).last)

    async def story(worker: Worker) -> None:
        async def all_is_there() -> None:
            await wait_until_async(lambda: behind(settings, last) == {} or worker.parts.shutdown.failed, 90)

        await all_is_there()
        last.update(publish_events(settings.bus, clicks(500, seed=2)).last)
        await change(publish)
        last.update(publish_events(settings.bus, clicks(500, seed=3)).last)
        await all_is_there()
        await wait_until_async(lambda: not worker.parts.health.ready(), 30)

    assert serve(settings, None, story) == 0
    assert behind(settings, last) == {}


def test_a_slot_moves_under_a_worker(tansu_settings: Settings) -> None:
    with cluster() as nodes:
        settings = at(tansu_settings, nodes.url)
        slots = {key_slot(f"rec:default:u{n}".encode()) for n in range(5)}

        async def move(publish: Callable[[int], None]) -> None:
            for slot in slots:
                source = slot * 3 // 16_384
                target = (source + 1) % 3
                await asyncio.to_thread(nodes.begin_move, slot, source, target)
                publish(slot)
                await asyncio.to_thread(nodes.move_keys, slot, source, target)
                await asyncio.to_thread(nodes.end_move, slot, target)

        served_through(settings, move)


def test_a_primary_fails_over_under_a_worker(tansu_settings: Settings) -> None:
    with sentinel_trio() as trio:
        served_through(at(tansu_settings, trio.url), lambda _: asyncio.to_thread(trio.fail_over))


def test_a_cluster_at_a_single_servers_address_ends_the_worker_with_2_and_the_fix(
    tansu_settings: Settings,
) -> None:
    with cluster() as nodes:
        settings = at(tansu_settings, f"redis://127.0.0.1:{nodes.ports[0]}/0")
        ensure_topics(settings.bus)
        publish_events(settings.bus, clicks(200))

        async def until_it_ends(worker: Worker) -> None:
            await wait_until_async(lambda: worker.parts.shutdown.failed, 60)

        with capture_logs() as said:
            assert serve(settings, None, until_it_ends) == 2
        (end,) = [line for line in said if line["event"] == "the worker ends"]
        assert "redis+cluster://" in end["why"]
        assert not [line for line in said if "bug" in line["event"]]


def test_while_redis_accepts_no_writes_the_worker_is_not_ready(
    tansu_settings: Settings, redis_server: RedisServer
) -> None:
    """As after a failover that leaves us at the old primary: it answers everything else."""
    settings = at(tansu_settings, redis_server.url, unready_seconds=1.0)
    ensure_topics(settings.bus)
    last = publish_events(settings.bus, clicks(200)).last

    async def story(worker: Worker) -> None:
        await wait_until_async(lambda: not worker.parts.health.ready() and behind(settings, last) == {}, 60)
        ask(redis_server.port, "REPLICAOF", "127.0.0.1", 1)
        try:
            last.update(publish_events(settings.bus, clicks(200, seed=2)).last)
            await wait_until_async(lambda: "redis" in worker.parts.health.ready(), 30)
            assert not worker.parts.health.live()
        finally:
            ask(redis_server.port, "REPLICAOF", "NO", "ONE")
        await wait_until_async(lambda: not worker.parts.health.ready() and behind(settings, last) == {}, 60)

    assert serve(settings, None, story) == 0
