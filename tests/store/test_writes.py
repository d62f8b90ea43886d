"""For how long has writing been in vain?"""

from __future__ import annotations

import pytest

from stream_rec.clock import ManualClock
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.errors import Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.store.writes import Writes
from tests.store.building import Stores, as_of, slate, with_stores


def test_what_works_is_not_in_vain() -> None:
    clock = ManualClock()
    writes = Writes(clock, 15, 60)
    clock.advance(5)
    assert (writes.seconds_in_vain(), writes.seconds_since_last()) == (0.0, 5.0)
    writes.succeeded("report")
    assert writes.seconds_since_last() == 0.0


def test_it_counts_from_the_first_failure_of_what_fails_longest() -> None:
    clock = ManualClock()
    writes = Writes(clock, 15, 60)
    writes.failed("slates")
    clock.advance(10)
    writes.failed("report")
    clock.advance(10)
    writes.failed("slates")
    assert writes.seconds_in_vain() == 20.0
    assert writes.why_not() == "writes to redis have failed for 20 s"
    writes.succeeded("slates")
    assert writes.seconds_in_vain() == 10.0
    assert writes.why_not() == ""


def test_what_nobody_tries_any_more_does_not_count() -> None:
    """A partition was taken away while its batch was waiting."""
    clock = ManualClock()
    writes = Writes(clock, 15, 60)
    writes.failed("slates")
    clock.advance(61)
    assert writes.seconds_in_vain() == 0.0


def test_a_connection_notes_what_it_writes_and_not_what_it_reads(redis_server: RedisServer) -> None:
    async def story(my: Stores) -> None:
        redis_server.down()
        with pytest.raises(Unavailable):
            await my.slates.read("ann")
        my.clock.advance(1)
        assert my.redis.writes.seconds_in_vain() == 0.0
        for _ in range(3):
            with pytest.raises(Unavailable):
                await my.slates.write([slate("ann", as_of(1))])
            my.clock.advance(5)
        assert my.redis.writes.seconds_in_vain() == 15.0
        redis_server.start_again()
        await my.slates.write([slate("ann", as_of(1))])
        assert (my.redis.writes.seconds_in_vain(), my.redis.writes.seconds_since_last()) == (0.0, 0.0)

    with_stores(StoreSettings(url=redis_server.url), story)
