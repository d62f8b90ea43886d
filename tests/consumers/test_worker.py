"""A worker inside this process, with engines that misbehave on purpose."""

from __future__ import annotations

import asyncio
import time

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from stream_rec.bus.lag import lag
from stream_rec.bus.topics import ensure_topics
from stream_rec.consumers.worker import Worker
from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Learned
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings, Settings, StoreSettings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import behind
from tests.consumers.serving import SMALL, serve
from tests.waiting import wait_until_async


def committed(settings: Settings) -> int:
    return sum(at.committed or 0 for at in lag(settings.bus) if at.topic == "events")


def test_a_bug_ends_the_worker_with_1_and_what_it_had_in_hand_is_not_committed(
    tansu_settings: Settings,
) -> None:
    class Broken(Engine):
        def learn(self, batch: EventBatch, **rest: bool) -> Learned:
            if self.position.get(("events", batch.span.partition), 0) >= 500:
                raise ZeroDivisionError("a bug on purpose")
            return super().learn(batch, **rest)

    settings = tansu_settings
    ensure_topics(settings.bus)
    publish_events(settings.bus, clicks(8_000))

    async def until_it_ends(worker: Worker) -> None:
        await wait_until_async(worker.parts.shutdown.stopping.is_set, 60, "the worker to end by itself")

    assert serve(settings, Broken(SMALL), until_it_ends) == 1
    assert committed(settings) <= 4 * 500


def test_a_computation_longer_than_the_session_timeout_does_not_cost_the_partitions(
    tansu: str, prefix: str, redis_url: str
) -> None:
    """Heartbeats go on: no rebalance, and the batch is acked in the epoch in which it came."""
    session_seconds = 2.0
    settings = Settings(
        bus=BusSettings(
            bootstrap=tansu, prefix=prefix, group=f"{prefix}g", session_timeout_seconds=session_seconds
        ),
        store=StoreSettings(url=redis_url, prefix=prefix),
        engine=SMALL,
    )

    class Slow(Engine):
        def learn(self, batch: EventBatch, **rest: bool) -> Learned:
            end = time.monotonic() + 2 * session_seconds
            while time.monotonic() < end:
                sum(range(1_000))
            return super().learn(batch, **rest)

    epochs: set[int] = set()

    async def until_done(worker: Worker) -> None:
        await wait_until_async(worker.parts.table.ready.is_set, 60, "the worker to serve")
        epochs.update(map(worker.parts.table.epochs.of, worker.parts.table.partitions()))
        published = await asyncio.to_thread(publish_events, settings.bus, clicks(40, users=3))
        while await asyncio.to_thread(committed, settings) < published.n:
            await asyncio.sleep(0.2)
        epochs.update(map(worker.parts.table.epochs.of, worker.parts.table.partitions()))

    assert serve(settings, Slow(SMALL), until_done) == 0
    assert len(epochs) == 1


@pytest.mark.kafka
def test_a_new_group_on_an_expired_log_is_ready_and_nobody_says_that_it_is_behind(
    kafka: str, prefix: str, redis_url: str
) -> None:
    """Nothing will ever be read, so nothing moves the committed offset but the assignment: probe, gauge, lag agree."""
    settings = Settings(
        bus=BusSettings(
            bootstrap=kafka, prefix=prefix, group=f"{prefix}g", partitions=1, ready_within_records=10
        ),
        store=StoreSettings(url=redis_url, prefix=prefix),
        engine=SMALL,
    )
    ensure_topics(settings.bus)
    publish_events(settings.bus, clicks(200, users=20))
    at = TopicPartition(full_name(prefix, "events"), 0, 200)
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.delete_records([at]).values():
        future.result()
    assert lag(settings.bus)[0] == ("events", 0, 200, 200, None, 0)
    owned: dict[tuple[str, int], int] = {}

    async def until_ready(worker: Worker) -> None:
        await wait_until_async(lambda: worker.parts.health.ready() == "", 60, "ready")
        owned.update({(name, partition): n for name, partition, n in worker.parts.progress.owned()})

    assert serve(settings, None, until_ready) == 0
    assert owned["events", 0] == 0
    assert lag(settings.bus)[0] == ("events", 0, 200, 200, 200, 0)


@pytest.mark.kafka
def test_records_deleted_before_they_were_learned_are_passed_over_and_said(
    kafka: str, prefix: str, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The engine knows the log up to offset 3; retention has taken everything up to 50 since."""
    settings = Settings(
        bus=BusSettings(bootstrap=kafka, prefix=prefix, group=f"{prefix}g", partitions=1),
        store=StoreSettings(url=redis_url, prefix=prefix),
        engine=SMALL,
    )
    ensure_topics(settings.bus)
    published = publish_events(settings.bus, clicks(200, users=20))
    admin = AdminClient({"bootstrap.servers": kafka})
    at = TopicPartition(full_name(prefix, "events"), 0, 50)
    for future in admin.delete_records([at]).values():
        future.result()
    engine = Engine(SMALL)
    engine.learn(EventBatch.of([("u1", "i1", 1.6e9)] * 3, span=Span("events", 0, 0, 0, 3)))

    async def until_done(_: Worker) -> None:
        while await asyncio.to_thread(committed, settings) < published.n:
            await asyncio.sleep(0.2)

    assert serve(settings, engine, until_done) == 0
    assert engine.position["events", 0] == 200
    assert engine.stats()["events_learned"] == 3 + 150
    assert "records=47" in "".join(capfd.readouterr())
    assert behind(settings, published.last) == {}
