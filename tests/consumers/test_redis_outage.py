"""Redis goes away, or comes back empty: nothing is lost, and slates come back by themselves."""

from __future__ import annotations

from pathlib import Path

import redis

from stream_rec.bus.lag import lag
from stream_rec.bus.topics import ensure_topics
from stream_rec.consumers.worker import Worker
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.settings import Settings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import behind, down, running, slates, wait_until_done
from tests.consumers.serving import SMALL, serve
from tests.waiting import wait_until, wait_until_async


def test_while_redis_is_down_the_worker_waits_commits_nothing_and_loses_nothing(
    tansu_settings: Settings, redis_server: RedisServer, tmp_path: Path
) -> None:
    settings = tansu_settings
    with running(settings, tmp_path) as worker:
        before = publish_events(settings.bus, clicks(500))
        wait_until_done(settings, before.n, worker)
        with down(redis_server):
            during = publish_events(settings.bus, clicks(6_000, seed=2))
            wait_until(lambda: "waiting for redis" in worker.log(), 60, "the worker to say what it waits for")
            assert "slates of events/" in worker.log()
            assert committed(settings) == before.n
        wait_until_done(settings, before.n + during.n, worker)
        assert "server answered again" in worker.log()
        assert behind(settings, before.last | during.last) == {}


def test_a_redis_that_comes_back_empty_gets_the_slates_of_active_users_again(
    tansu_settings: Settings, redis_server: RedisServer, tmp_path: Path
) -> None:
    settings = tansu_settings
    with running(settings, tmp_path) as worker:
        published = publish_events(settings.bus, clicks(2_000))
        wait_until_done(settings, published.n, worker)
        with down(redis_server, keep_data=False):
            pass
        wait_until(lambda: all(slates(settings, set(published.last)).values()), 30, "the slates of all users")
        assert behind(settings, published.last) == {}
        later = publish_events(settings.bus, clicks(300, seed=3))
        wait_until_done(settings, published.n + later.n, worker)
        assert behind(settings, published.last | later.last) == {}


def test_a_rewrite_that_redis_interrupts_is_taken_up_again(
    tansu_settings: Settings, redis_server: RedisServer
) -> None:
    """Its marker stands for an unfinished rewrite until all slates are back."""
    store = tansu_settings.store.model_copy(update={"rewrite_per_second": 100})
    settings = tansu_settings.model_copy(update={"engine": SMALL, "store": store})
    ensure_topics(settings.bus)
    published = publish_events(settings.bus, clicks(1_000))
    users = set(published.last)

    def n_slates() -> int:
        return sum(slate is not None for slate in slates(settings, users).values())

    def markers() -> list[bytes]:
        with redis.Redis.from_url(settings.store.url) as client:
            return [client.get(f"marker:{partition}") or b"" for partition in range(4)]

    async def scenario(_: Worker) -> None:
        await wait_until_async(lambda: n_slates() == len(users), 60, "all slates")
        redis_server.down()
        redis_server.start_again()
        await wait_until_async(lambda: n_slates() > 0, 30, "the rewrite to begin")
        redis_server.down(keep_data=True)
        redis_server.start_again()
        await wait_until_async(lambda: n_slates() == len(users), 30, "all slates again")
        await wait_until_async(lambda: all(b"offset" in one for one in markers()), 30, "the markers")

    assert serve(settings, None, scenario) == 0
    assert behind(settings, published.last) == {}


def committed(settings: Settings) -> int:
    return sum(at.committed or 0 for at in lag(settings.bus) if at.topic == "events")
