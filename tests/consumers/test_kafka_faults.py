"""Two workers, steady traffic, and an Apache Kafka that is restarted, paused, or has forgotten.

The broker is this file's own. After each fault: both replicas have learned every event of the log once and in order,
every user's slate knows the user's last event, and the group has committed every end.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from stream_rec.bus.metric_points import read_points
from stream_rec.bus.topics import ensure_topics
from stream_rec.engine.engine import Engine
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings, Settings, StoreSettings
from stream_rec.telemetry.points import total
from tests.consumers.group import n_learned, served, split, until
from tests.consumers.kafka_process import KafkaProcess
from tests.consumers.publishing import Published, clicks, publish_events
from tests.consumers.running import behind
from tests.consumers.serving import SMALL, serving
from tests.consumers.witness import histories, learned, wrongly_learned
from tests.waiting import wait_until_async

pytestmark = pytest.mark.kafka

PAUSE_SECONDS = 20.0
"""Three times the group's session timeout."""
CHUNK = 50


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaProcess]:
    with KafkaProcess(tmp_path_factory.mktemp("kafka-faults")) as broker:
        yield broker


@pytest.fixture
def settings(broker: KafkaProcess, prefix: str, redis_url: str) -> Settings:
    return Settings(
        bus=BusSettings(
            bootstrap=broker.bootstrap, prefix=prefix, group=f"{prefix}group", metadata_seconds=0.5
        ),
        store=StoreSettings(url=redis_url, prefix=prefix),
        engine=SMALL,
    )


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()  # a Kafka client lives until it is collected


class Traffic(threading.Thread):
    """A few events several times a second, from a producer that waits for the broker; one lot more after the end."""

    def __init__(self, bus: BusSettings) -> None:
        super().__init__()
        self._bus = bus
        self._enough = threading.Event()
        self.published = Published()

    def run(self) -> None:
        while not self._enough.wait(0.2):
            self._publish()
        self._publish()

    def _publish(self) -> None:
        n = self.published.n
        sent = publish_events(self._bus, clicks(CHUNK, seed=n, first=n))
        self.published.at += sent.at
        self.published.last |= sent.last

    async def end(self) -> Published:
        self._enough.set()
        await asyncio.to_thread(self.join)
        return self.published


@asynccontextmanager
async def two_under_traffic(settings: Settings, engines: list[Engine]) -> AsyncIterator[Traffic]:
    """Inside, both serve and events come; afterwards, everything was learned, served and committed."""
    async with serving(settings, engines[0]) as one, serving(settings, engines[1]) as two:
        await split(settings, one, two)
        traffic = Traffic(settings.bus)
        traffic.start()
        try:
            await until(lambda: all(n_learned(engine) > 200 for engine in engines), "traffic")
            yield traffic
        finally:
            published = await traffic.end()
        await until(lambda: {n_learned(engine) for engine in engines} == {published.n}, "both to know all")
        await split(settings, one, two)
        await served(settings, published.n)


def assert_once(settings: Settings, engines: list[Engine], published: Published) -> None:
    for engine in engines:
        assert wrongly_learned(settings.bus, engine) == {}
    assert behind(settings, published.last) == {}


def test_a_broker_that_is_restarted_in_mid_stream_costs_nothing(
    settings: Settings, broker: KafkaProcess
) -> None:
    engines = [Engine(SMALL) for _ in range(2)]

    async def scenario() -> Published:
        async with two_under_traffic(settings, engines) as traffic:
            await asyncio.to_thread(broker.restart)
        return traffic.published

    assert_once(settings, engines, asyncio.run(scenario()))


def test_a_broker_that_stands_still_past_every_timeout_costs_nothing(
    settings: Settings, broker: KafkaProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    engines = [Engine(SMALL) for _ in range(2)]
    said: list[str] = []

    def is_said(words: str) -> bool:
        said.extend(capfd.readouterr())
        return words in "".join(said)

    async def scenario() -> Published:
        async with two_under_traffic(settings, engines) as traffic:
            os.kill(broker.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(PAUSE_SECONDS)
                await wait_until_async(lambda: is_said("waiting for kafka"), 60)
            finally:
                os.kill(broker.pid, signal.SIGCONT)
            await wait_until_async(lambda: is_said("the wait for kafka is over"), 60)
        return traffic.published

    assert_once(settings, engines, asyncio.run(scenario()))


def test_events_that_expired_while_nobody_was_there_are_told_and_nothing_else_is_lost(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log begins behind what the group has committed and the engines know, in one partition of four."""
    engines = [Engine(SMALL) for _ in range(2)]
    ensure_topics(settings.bus)

    async def serve_until(n_each: int, n_events: int) -> None:
        async with serving(settings, engines[0]) as one, serving(settings, engines[1]) as two:
            await split(settings, one, two)
            await until(lambda: {n_learned(engine) for engine in engines} == {n_each}, "all that is left")
            await served(settings, n_events)

    events = clicks(1_200)
    before = publish_events(settings.bus, events[:400])
    asyncio.run(serve_until(400, 400))
    known = engines[0].position["events", 2]
    later = publish_events(settings.bus, events[400:])
    expire(settings.bus, 2, known + 70)
    asyncio.run(serve_until(1_130, 1_200))

    gone = {(2, offset) for offset in range(known, known + 70)}
    there = [event for event, at in zip(events, before.at + later.at, strict=True) if at not in gone]
    for engine in engines:
        assert learned(engine) == histories(there, engine.settings.history_length)
    last = before.last | {user: at for user, at in later.last.items() if at not in gone}
    assert behind(settings, last) == {}
    assert "".join(capfd.readouterr()).count("records=70") >= len(engines)


def expire(bus: BusSettings, partition: int, first: int) -> None:
    """The partition of `events` begins at `first` from now on."""
    admin = AdminClient({"bootstrap.servers": bus.bootstrap})
    at = TopicPartition(full_name(bus.prefix, "events"), partition, first)
    for future in admin.delete_records([at]).values():
        future.result()


def test_topics_with_more_partitions_than_the_settings_say_are_shared_and_served_all_the_same(
    settings: Settings,
) -> None:
    engines = [Engine(SMALL) for _ in range(2)]
    ensure_topics(settings.bus.model_copy(update={"partitions": 7}))

    async def scenario() -> Published:
        async with serving(settings, engines[0]) as one, serving(settings, engines[1]) as two:
            await split(settings, one, two)
            published = await asyncio.to_thread(publish_events, settings.bus, clicks(1_000))
            assert {partition for partition, _ in published.at} == set(range(7))
            await until(lambda: {n_learned(engine) for engine in engines} == {1_000}, "both to know all")
            await served(settings, 1_000)
            assert [worker.parts.measures.live()["misrouted"] for worker in (one, two)] == [0, 0]
            return published

    assert settings.bus.partitions < 7
    assert_once(settings, engines, asyncio.run(scenario()))
    assert total(read_points(settings.bus), "events_learned")[0] == 1_000
