"""While Kafka or Redis is away, a worker says so in few lines, whoever of its libraries has something to say."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream_rec.embedded.redis_server import RedisServer
from stream_rec.settings import BusSettings, Settings, StoreSettings
from tests.consumers.kafka_process import KafkaProcess
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import Worker, running, wait_until_done

MOST_LINES = 10
SECONDS = 30.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaProcess]:
    with KafkaProcess(tmp_path / "kafka") as broker:
        yield broker


def lines_of(worker: Worker, away: Callable[[], None]) -> list[str]:
    """What the worker logs in the first `SECONDS` of an outage."""
    before = len(worker.log().splitlines())
    away()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        assert worker.is_alive()
        time.sleep(0.5)
    return worker.log().splitlines()[before:]


@contextmanager
def busy(settings: Settings, folder: Path) -> Iterator[Worker]:
    """A worker that serves, and has served."""
    with running(settings, folder) as worker:
        wait_until_done(settings, publish_events(settings.bus, clicks(500)).n, worker)
        yield worker


def test_redis_is_away(tansu_settings: Settings, redis_server: RedisServer, tmp_path: Path) -> None:
    settings = tansu_settings
    with busy(settings, tmp_path) as worker:

        def away() -> None:
            redis_server.down(keep_data=True)
            publish_events(settings.bus, clicks(6_000, seed=2))

        try:
            said = lines_of(worker, away)
        finally:
            redis_server.start_again()
        assert any("waiting for redis" in line for line in said)
        assert len(said) <= MOST_LINES, "\n".join(said)
        wait_until_done(settings, 6_500, worker)


@pytest.mark.kafka
@pytest.mark.parametrize("how", ["down", "hung"])
def test_kafka_is_away(broker: KafkaProcess, redis_url: str, prefix: str, tmp_path: Path, how: str) -> None:
    settings = Settings(
        bus=BusSettings(bootstrap=broker.bootstrap, prefix=prefix, group=f"{prefix}group"),
        store=StoreSettings(url=redis_url, prefix=prefix),
    )
    with busy(settings, tmp_path) as worker:
        if how == "down":
            said = lines_of(worker, broker.down)
            broker.start_again()
        else:
            said = lines_of(worker, lambda: broker.signal(signal.SIGSTOP))
            broker.signal(signal.SIGCONT)
        assert any("waiting for kafka" in line for line in said), "\n".join(said)
        assert len(said) <= MOST_LINES, "\n".join(said)
        more = publish_events(settings.bus, clicks(500, seed=2))
        wait_until_done(settings, 500 + more.n, worker)
