"""docs/deployment.md, Kafka's data lost: new topics, an empty engine, old slates that give way as users come back."""

from __future__ import annotations

from pathlib import Path

from stream_rec.embedded.tansu import TansuServer
from stream_rec.settings import BusSettings, Settings, StoreSettings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import behind, running, slates, wait_until_done
from tests.waiting import wait_until


def test_slates_outlive_kafka_and_are_replaced_by_the_new_logs(tmp_path: Path, redis_url: str) -> None:
    first, second = clicks(300, users=20), clicks(100, users=10, seed=2)
    store = StoreSettings(url=redis_url)
    with TansuServer.start(tmp_path) as broker:
        before = Settings(
            bus=BusSettings(bootstrap=broker.bootstrap, partitions=2, session_timeout_seconds=3.0),
            store=store,
        )
        with running(before, tmp_path, "before") as worker:
            users = set(publish_events(before.bus, first).last)
            wait_until_done(before, len(first), worker)
            assert worker.stop()[0] == 0

    kept = slates(before, users)
    assert all(kept.values()), "readers read on"

    with TansuServer.start(tmp_path) as broker:
        after = Settings(
            bus=BusSettings(bootstrap=broker.bootstrap, partitions=2, session_timeout_seconds=3.0),
            store=store,
        )
        with running(after, tmp_path, "after") as worker:
            came_back = publish_events(after.bus, second).last
            wait_until_done(after, len(second), worker)
            wait_until(lambda: not behind(after, came_back), 30, "slates of the new log")
            found = slates(after, users)
    for user, slate in found.items():
        old = kept[user]
        assert slate is not None and old is not None
        assert (slate.as_of.log != old.as_of.log) == (user in came_back)
