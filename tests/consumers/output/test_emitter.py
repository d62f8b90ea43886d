"""What a worker publishes: delivered means that the bus has it."""

from __future__ import annotations

import asyncio

import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.consumers.output.emitter import Emitter, Outgoing
from stream_rec.settings import BusSettings, Settings
from tests.reading import messages

NOBODY = "127.0.0.1:1"
"""An address where no broker listens."""


def outgoing(n: int) -> list[Outgoing]:
    return [Outgoing("slates", b"u%d" % i, b"slate %d" % i) for i in range(n)]


def test_a_receipt_ends_when_the_bus_has_every_record_of_it(settings: Settings) -> None:
    bus = settings.bus
    ensure_topics(bus)

    async def scenario() -> None:
        emitter = Emitter(bus)
        receipts = [
            await emitter.send(outgoing(200)),
            await emitter.send([]),
            await emitter.send(outgoing(1)),
        ]
        for receipt in receipts:
            await asyncio.wait_for(receipt.delivered(), 30)
        assert emitter.close(10) == 0

    asyncio.run(scenario())
    assert sorted(message.value() for message in messages(bus, "slates")) == sorted(
        [record.value for record in [*outgoing(200), *outgoing(1)]]
    )


def test_while_the_broker_is_away_records_wait_and_the_stop_says_how_many_were_left() -> None:
    async def scenario() -> int:
        emitter = Emitter(BusSettings(bootstrap=NOBODY))
        receipt = await emitter.send(outgoing(3))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receipt.delivered(), 0.1)
        return await asyncio.to_thread(emitter.close, 0.1)

    assert asyncio.run(scenario()) == 3


def test_the_queue_is_bounded_and_a_sender_waits_for_room() -> None:
    async def scenario() -> None:
        bus = BusSettings(bootstrap=NOBODY, publish_queue_records=10)
        emitter = Emitter(bus)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(emitter.send(outgoing(11)), 0.2)
        assert await asyncio.to_thread(emitter.close, 0) == 10

    asyncio.run(scenario())
