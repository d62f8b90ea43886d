"""Redis goes away, or comes back empty: nothing is lost, and slates come back by themselves."""

from __future__ import annotations

from pathlib import Path

from stream_rec.bus.lag import lag
from stream_rec.settings import Settings
from stream_rec.store.redis_server import RedisServer
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import behind, down, running, slates, wait_until_done
from tests.waiting import wait_until


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
        assert "the wait is over" in worker.log()
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


def committed(settings: Settings) -> int:
    return sum(at.committed or 0 for at in lag(settings.bus) if at.topic == "events")
