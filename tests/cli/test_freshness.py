"""The freshness probe takes the time until Redis holds a slate that knows the event, and nothing earlier."""

from __future__ import annotations

import redis

from stream_rec.serve.freshness_probe import MAX_WATCHED, FreshnessProbe, Watched
from stream_rec.settings import StoreSettings
from tests.waiting import wait_until


def write_slate(url: str, user: str, partition: int, offset: int) -> None:
    as_of = f'{{"log":"L","partition":{partition},"offset":{offset},"broker_ts":0,"event_ts":0}}'
    with redis.Redis.from_url(url) as client:
        client.set(f"rec:default:{user}", f'{{"as_of":{as_of},"user_id":"{user}","items":[]}}')


def test_a_slate_that_knows_the_event_ends_the_wait(redis_url: str) -> None:
    with FreshnessProbe(StoreSettings(url=redis_url)) as probe:
        probe.watch(Watched("u", partition=2, offset=7, sent_at=probe.clock.monotonic()))
        write_slate(redis_url, "u", partition=2, offset=7)
        assert wait_until(probe.seconds, what="the measurement")[0] > 0


def test_older_slates_and_those_of_other_partitions_do_not(redis_url: str) -> None:
    with FreshnessProbe(StoreSettings(url=redis_url)) as probe:
        write_slate(redis_url, "older", partition=2, offset=6)
        write_slate(redis_url, "other", partition=1, offset=9)
        write_slate(redis_url, "newer", partition=2, offset=8)
        for user in ("older", "other", "newer"):
            probe.watch(Watched(user, partition=2, offset=7, sent_at=probe.clock.monotonic()))
        wait_until(probe.seconds, what="the newer one")
        probe.drain(0.2)
        assert len(probe.seconds()) == 1


def test_it_watches_a_bounded_number(redis_url: str) -> None:
    users = [f"u{number}" for number in range(MAX_WATCHED + 10)]
    with FreshnessProbe(StoreSettings(url=redis_url)) as probe:
        for user in users:
            probe.watch(Watched(user, partition=0, offset=0, sent_at=probe.clock.monotonic()))
        assert not probe.has_room
        for user in users:
            write_slate(redis_url, user, partition=0, offset=0)
        probe.drain(30)
        assert len(probe.seconds()) == MAX_WATCHED
        assert probe.has_room
