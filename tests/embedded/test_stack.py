"""A stack fills in what the settings leave empty, and only that."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from stream_rec.bus.topics import ensure_topics
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.settings import BusSettings, Settings, StoreSettings
from tests.waiting import wait_until


def test_settings_without_addresses_get_a_broker_and_a_redis_that_end_with_the_stack() -> None:
    with start_stack(Settings(bus=BusSettings(partitions=2))) as stack:
        assert ensure_topics(stack.settings.bus)["events"] == 2
        with redis.Redis.from_url(stack.settings.store.url) as client:
            assert client.ping()
    wait_until(lambda: not answers(client.ping), 10, "Redis' end")


def answers(ping: Callable[[], bool]) -> bool:
    try:
        return ping()
    except redis.ConnectionError:
        return False


def test_a_server_that_the_settings_name_is_used_and_not_started(tansu: str) -> None:
    given = Settings(bus=BusSettings(bootstrap=tansu, security={"security.protocol": "PLAINTEXT"}))
    with start_stack(given) as stack:
        assert stack.broker is None
        assert stack.settings.bus == given.bus
        assert stack.redis is not None
        assert stack.settings.store.url == stack.redis.url


@pytest.mark.parametrize("name", ["bus", "store"])
def test_without_addresses_names_no_server(name: str) -> None:
    given = Settings(
        bus=BusSettings(bootstrap="k:1", prefix="p-"), store=StoreSettings(url="redis://r", prefix="p-")
    )
    emptied = getattr(without_addresses(given), name)
    assert emptied.prefix == "p-"
    assert not (emptied.bootstrap if name == "bus" else emptied.url)
