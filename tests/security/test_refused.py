"""A topic that the worker may not write to for a while: its records wait, then they are lost; the rest goes on."""

from __future__ import annotations

import asyncio

import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.consumers.output.emitter import Emitter, Outgoing, Receipt
from stream_rec.settings import BusSettings
from tests.security.secured_kafka import SCRAM_USER, SecuredKafka

pytestmark = pytest.mark.kafka


async def sent(emitter: Emitter, topic: str, key: bytes) -> Receipt:
    return await emitter.send([Outgoing(topic, key, b"x")], "events/0/0-0")


async def delivered(receipt: Receipt) -> dict[str, int]:
    await asyncio.wait_for(receipt.delivered(), 60)
    return dict(receipt.lost)


def test_what_is_refused_for_lack_of_a_right_arrives_when_the_right_is_back(
    secured: SecuredKafka, identities: dict[str, BusSettings]
) -> None:
    bus = identities["SCRAM-SHA-512"]
    ensure_topics(bus)

    async def scenario() -> None:
        emitter = Emitter(bus)
        with secured.denied(SCRAM_USER, f"{bus.prefix}dead-letters"):
            while True:  # until the broker has heard of it
                waits = await sent(emitter, "dead-letters", b"events/0/0")
                done, _ = await asyncio.wait([asyncio.ensure_future(waits.delivered())], timeout=3)
                if not done:
                    break
            assert await delivered(await sent(emitter, "slates", b"ann")) == {}
        assert await delivered(waits) == {}
        await asyncio.to_thread(emitter.close, 5)

    asyncio.run(scenario())


def test_what_is_refused_for_longer_is_lost_at_once_and_the_right_mends_that(
    secured: SecuredKafka, identities: dict[str, BusSettings], capfd: pytest.CaptureFixture[str]
) -> None:
    bus = identities["SCRAM-SHA-512"].model_copy(update={"publish_timeout_seconds": 1.0})
    ensure_topics(bus)

    async def scenario() -> None:
        emitter = Emitter(bus)
        with secured.denied(SCRAM_USER, f"{bus.prefix}dead-letters"):
            while not await delivered(await sent(emitter, "dead-letters", b"events/0/0")):
                await asyncio.sleep(0.1)
        while await delivered(await sent(emitter, "dead-letters", b"events/0/1")):
            await asyncio.sleep(0.1)
        await asyncio.to_thread(emitter.close, 5)

    asyncio.run(scenario())
    said = "".join(capfd.readouterr())
    assert "sent again" in said
    assert "allow this user" in said
    assert "record=events/0/0" in said
