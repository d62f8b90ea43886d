"""A user's three acts, with nothing of ours in their hands: publish, read, watch the lag. They agree with our tools."""

from __future__ import annotations

import json
from pathlib import Path

import redis
from confluent_kafka import Consumer, TopicPartition

from schemas.topics import full_name
from stream_rec.bus.lag import lag
from stream_rec.settings import Settings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import running, slates, wait_until_done


def test_publish_read_and_watch_the_lag_with_plain_clients(settings: Settings, tmp_path: Path) -> None:
    with running(settings, tmp_path):
        published = publish_events(settings.bus, clicks(2_000))
        wait_until_done(settings, published.n)

        with redis.Redis.from_url(settings.store.url) as client:
            raw = {user: json.loads(client.get(f"rec:default:{user}")) for user in published.last}
        assert len(raw) == 300
        for user, (partition, offset) in published.last.items():
            assert raw[user]["user_id"] == user
            assert raw[user]["as_of"]["partition"] == partition
            assert raw[user]["as_of"]["offset"] >= offset
            assert len({item["item_id"] for item in raw[user]["items"]}) == 20

        plain = Consumer({"bootstrap.servers": settings.bus.bootstrap, "group.id": settings.bus.group})
        asked = [TopicPartition(full_name(settings.bus.prefix, "events"), p) for p in range(4)]
        committed = {at.partition: at.offset for at in plain.committed(asked, 10)}
        plain.close()

        ours = [at for at in lag(settings.bus) if at.topic == "events"]
        assert {at.partition: at.committed for at in ours} == committed
        assert sum(committed.values()) == published.n
        read = slates(settings, set(published.last))
        assert {user: slate.slate_id for user, slate in read.items() if slate} == {
            user: slate["slate_id"] for user, slate in raw.items()
        }
