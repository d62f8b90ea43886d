"""The broker goes away and comes back with what it held: workers wait, and lose and double nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.settings import BusSettings, Settings, StoreSettings
from tests.consumers.kafka_process import KafkaProcess
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import behind, learned, running, wait_until_done
from tests.waiting import wait_until


@pytest.mark.kafka
def test_two_workers_outlive_a_restart_of_the_broker(prefix: str, redis_url: str, tmp_path: Path) -> None:
    with KafkaProcess(tmp_path) as broker:
        settings = Settings(
            bus=BusSettings(bootstrap=broker.bootstrap, prefix=prefix, group=f"{prefix}g"),
            store=StoreSettings(url=redis_url),
        )
        with running(settings, tmp_path, "first") as first, running(settings, tmp_path, "second") as second:
            wait_until(
                lambda: min(len(first.owned()), len(second.owned())) >= 6,
                60,
                "the partitions to be split",
            )
            before = publish_events(settings.bus, clicks(1_000))
            wait_until_done(settings, before.n, first, second)
            broker.restart()
            after = publish_events(settings.bus, clicks(1_000, seed=2))
            wait_until_done(settings, before.n + after.n, first, second)
            n = before.n + after.n
            wait_until(lambda: learned(settings) == [n, n], 30, "both to know everything")
            assert behind(settings, before.last | after.last) == {}
