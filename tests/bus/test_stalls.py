"""Clients that lose sight of Kafka while it answers others find it again, and nothing is lost by that.

Connections that nothing passes over stand for the cause, which is a race in the client.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stream_rec.bus.stalls import Stall
from stream_rec.bus.topics import ensure_topics, partition_counts
from stream_rec.clock import ManualClock
from stream_rec.consumers.output.emitter import Emitter, Outgoing
from stream_rec.embedded.tansu import TansuServer
from stream_rec.errors import Unavailable
from stream_rec.producers.publisher.async_publisher import AsyncPublisher
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Interaction
from stream_rec.schemas.topics import Ack
from stream_rec.settings import BusSettings, Settings
from tests.consumers.bridge.bridging import behind, bridged, clicks, in_thread, make_topic, one_input, send
from tests.reading import messages
from tests.relay import Relay, relayed_broker
from tests.waiting import wait_until

SECONDS = 30.0
"""The client itself would look after a minute."""
EVENT = Interaction("ann", "film-1", "view", 1_700_000_000.0)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    with relayed_broker(tmp_path / "broker") as relay:
        yield relay


@pytest.fixture
def bus(relay: Relay) -> BusSettings:
    bus = BusSettings(bootstrap=relay.bootstrap, publish_timeout_seconds=1.0)
    ensure_topics(bus)
    return bus


def test_it_is_one_once_nothing_was_acknowledged_for_long_and_kafka_answers(tmp_path: Path) -> None:
    clock = ManualClock()
    with TansuServer.start(tmp_path) as broker:
        bus = BusSettings(bootstrap=broker.bootstrap)
        stall = Stall(bus, clock)

        def is_one_after(seconds: float, progress: int, *, is_waiting: bool = True) -> bool:
            clock.advance(seconds)
            return stall.is_one(is_waiting=is_waiting, progress=progress)

        assert not is_one_after(0, 1)
        assert not is_one_after(29, 1)
        assert not is_one_after(2, 2)
        assert not is_one_after(29, 2)
        assert not is_one_after(31, 2, is_waiting=False)
        assert not is_one_after(31, 2)
        os.kill(broker.pid, signal.SIGSTOP)
        assert not is_one_after(31, 2)
        os.kill(broker.pid, signal.SIGCONT)
        assert not is_one_after(9, 2), "asked too often"
        wait_until(lambda: is_one_after(10, 2), SECONDS, "the broker to answer")
        assert not is_one_after(29, 2)


def test_what_workers_publish_is_sent_by_another_producer(relay: Relay, bus: BusSettings) -> None:
    first, second = ([Outgoing("slates", b"u%d" % i, b"%d" % i) for i in range(n)] for n in (1, 200))

    async def scenario() -> None:
        emitter = Emitter(bus)
        await asyncio.wait_for((await emitter.send(first)).delivered(), SECONDS)
        relay.hold()
        receipt = await emitter.send(second)
        await asyncio.wait_for(receipt.delivered(), SECONDS)
        assert not receipt.lost
        assert await asyncio.to_thread(emitter.close, 10) == 0

    asyncio.run(scenario())
    assert sorted(message.value() for message in messages(bus, "slates")) == sorted(
        record.value for record in first + second
    )


def test_a_service_that_publishes_goes_on_with_another_producer(relay: Relay, bus: BusSettings) -> None:
    async def scenario() -> None:
        publisher = AsyncPublisher(bus)

        async def fate() -> object:
            shipment = publisher.shipment()
            publisher.send("events", b"ann", b"{}", shipment, 1)
            return (await asyncio.wait_for(shipment.fates(1), SECONDS))[1]

        async def is_published() -> None:
            deadline = asyncio.get_running_loop().time() + SECONDS
            while not isinstance(last := await fate(), Ack):
                assert asyncio.get_running_loop().time() < deadline, last

        await is_published()
        relay.hold()
        assert isinstance(await fate(), Unavailable)
        await is_published()
        await publisher.close()

    asyncio.run(scenario())


def test_a_publisher_that_has_failed_takes_another_producer(relay: Relay, bus: BusSettings) -> None:
    with Publisher(bus) as publisher:

        def is_published() -> bool:
            try:
                return bool(publisher.publish(EVENT))
            except Unavailable:  # also of a broker that is busy: a second is little
                return False

        wait_until(is_published, SECONDS, "the first event")
        relay.hold()
        assert not is_published()
        wait_until(is_published, SECONDS, "the next one")
        relay.hold()
        publisher.send(EVENT)
        with pytest.raises(Unavailable, match="1 of all records"):
            publisher.flush(0.1)
        with pytest.raises(Unavailable):
            publisher.flush()
        wait_until(is_published, SECONDS, "one that is sent after what was given up")


def test_a_bridge_publishes_again_what_it_has_not_committed(
    relay: Relay, bus: BusSettings, tansu_settings: Settings
) -> None:
    """Its source is another cluster, which knows nothing of it."""
    source = tansu_settings.bus
    topic = make_topic(source.bootstrap, f"{source.prefix}shop")
    settings = bridged(
        tansu_settings.model_copy(update={"bus": bus}),
        bridge={**one_input(topic), "bootstrap": source.bootstrap, "uncommitted_records": 500},
    )
    with capture_logs() as said, in_thread(settings):
        send(source.bootstrap, topic, clicks(1))
        wait_until(lambda: behind(settings) == 0, SECONDS, "the first message")
        relay.hold()
        send(source.bootstrap, topic, clicks(2_999, first=1))
        wait_until(lambda: behind(settings) == 0, SECONDS, "the rest")
    assert any("the producer is made anew" in line["event"] for line in said)
    items = [message.value().split(b'"item_id":"')[1].split(b'"')[0] for message in messages(bus, "events")]
    assert sorted(items) == sorted(b"i%d" % i for i in range(3_000))


def test_a_client_that_was_told_that_there_is_no_broker_asks_again_in_time(
    relay: Relay, bus: BusSettings
) -> None:
    """By itself it would after five minutes."""
    bus = bus.model_copy(update={"metadata_seconds": 1.0})
    relay.n_without_broker = 1
    assert "events" in partition_counts(bus)
    assert relay.n_without_broker == 0
