"""What Kafka refuses for good is lost, counted and told of; what it refuses for a while is sent again.

On Apache Kafka: the embedded broker applies no limits of a topic.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import ManualClock
from stream_rec.consumers.output.emitter import Emitter, Outgoing, Receipt
from stream_rec.consumers.output.refusals import Refusals, Verdict
from stream_rec.consumers.worker import Worker
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings, Settings, StoreSettings
from tests.consumers.group import served
from tests.consumers.publishing import clicks, publish, publish_events
from tests.consumers.serving import SMALL, serve
from tests.reading import messages
from tests.waiting import wait_until

LIMIT = 2_000


@pytest.fixture
def bus(kafka: str, prefix: str) -> Iterator[BusSettings]:
    bus = BusSettings(bootstrap=kafka, prefix=prefix, group=f"{prefix}group")
    ensure_topics(bus)
    yield bus


def configure(bus: BusSettings, topic: str, **settings: object) -> None:
    """Set a topic's configuration, as an operator does."""
    changes = [
        ConfigEntry(name.replace("_", "."), str(value), incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, full_name(bus.prefix, topic), incremental_configs=changes)
    admin = AdminClient({"bootstrap.servers": bus.bootstrap})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)


def limit(bus: BusSettings, topic: str) -> None:
    """The topic takes records of `LIMIT` bytes at most, as its broker knows by the time this returns."""
    configure(bus, topic, max_message_bytes=LIMIT)
    probe = [Outgoing(topic, b"probe", os.urandom(2 * LIMIT))]
    wait_until(lambda: sent(bus, probe).lost, what="the limit to hold")


def letters(sizes: Sequence[int]) -> list[Outgoing]:
    """Dead letters of these sizes, which no codec makes smaller."""
    return [
        Outgoing("dead-letters", f"events/0/{n}".encode(), os.urandom(size)) for n, size in enumerate(sizes)
    ]


def sent(bus: BusSettings, records: Sequence[Outgoing]) -> Receipt:
    async def scenario() -> Receipt:
        emitter = Emitter(bus)
        receipt = await emitter.send(records, "events/0/0-99")
        await asyncio.wait_for(receipt.delivered(), 60)
        assert await asyncio.to_thread(emitter.close, 10) == 0
        return receipt

    return asyncio.run(scenario())


@pytest.mark.kafka
def test_a_record_that_is_too_large_is_lost_alone_and_the_log_says_which(
    bus: BusSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    limit(bus, "dead-letters")
    capfd.readouterr()
    receipt = sent(bus, letters([100, 5_000, 100, 5_000, 100]))
    assert dict(receipt.lost) == {"dead-letters": 2}
    keys = sorted(message.key() for message in messages(bus, "dead-letters") if message.key() != b"probe")
    assert keys == [b"events/0/0", b"events/0/2", b"events/0/4"]
    said = "".join(capfd.readouterr())
    assert said.count("refuses a record for good") == 1
    assert "record=events/0/1" in said
    assert "max.message.bytes" in said


@pytest.mark.kafka
def test_small_records_that_are_too_large_together_all_arrive(bus: BusSettings) -> None:
    """Kafka refuses their batch whole, and librdkafka does not split it."""
    limit(bus, "dead-letters")
    assert not sent(bus, letters([900] * 200)).lost
    assert sum(message.key() != b"probe" for message in messages(bus, "dead-letters")) == 200


@pytest.mark.kafka
def test_a_record_that_is_too_old_is_lost(bus: BusSettings) -> None:
    configure(bus, "dead-letters", message_timestamp_type="CreateTime", message_timestamp_before_max_ms=0)
    wait_until(lambda: sent(bus, letters([100] * 3)).lost["dead-letters"], what="the limit to hold")


@pytest.mark.kafka
def test_a_record_beyond_our_own_limit_is_lost_too(bus: BusSettings) -> None:
    small = bus.model_copy(update={"max_message_bytes": LIMIT})
    assert dict(sent(small, letters([5_000, 100])).lost) == {"dead-letters": 1}
    assert len(messages(bus, "dead-letters")) == 1


@pytest.mark.kafka
@pytest.mark.parametrize("topic", ["dead-letters", "slates"])
def test_a_worker_goes_on_when_what_it_publishes_is_refused(
    bus: BusSettings, redis_url: str, topic: str
) -> None:
    settings = Settings(bus=bus, store=StoreSettings(url=redis_url, prefix=bus.prefix), engine=SMALL)
    limit(bus, topic)
    configure(bus, topic, max_message_bytes=150)
    publish(bus, "events", [(f"u{n}".encode(), b"no event" + bytes(500)) for n in range(20)])
    publish_events(bus, clicks(200))

    async def meanwhile(worker: Worker) -> None:
        await served(settings, 220)
        live = worker.parts.measures.live()
        assert live[f"records_refused{{to={topic}}}"] >= 20
        assert live["dead_letters{reason=not_json}"] == 20

    assert serve(settings, None, meanwhile) == 0


def test_what_may_be_lifted_is_waited_for_once_and_lost_afterwards_until_something_is_taken() -> None:
    clock = ManualClock()
    refusals = Refusals(BusSettings(bootstrap="b:1", publish_timeout_seconds=30), clock)
    no_access = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)

    def judged() -> Verdict:
        return refusals.judge("slates", no_access, was_alone=False)

    assert judged() is Verdict.AGAIN
    clock.advance(29)
    assert judged() is Verdict.AGAIN
    clock.advance(2)
    assert [judged(), judged()] == [Verdict.LOST] * 2
    refusals.accepted("slates")
    assert judged() is Verdict.AGAIN


def test_refusals_are_told_once_a_minute(capfd: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    refusals = Refusals(BusSettings(bootstrap="b:1"), clock)
    too_large = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    for n in range(100):
        refusals.tell_lost("dead-letters", too_large, (b"events/0/%d" % n, b"x"), "events/0/0-99")
    clock.advance(61)
    refusals.tell_lost("dead-letters", too_large, (b"events/0/100", b"x"), "events/0/100-100")
    said = "".join(capfd.readouterr())
    assert said.count("refuses a record for good") == 2
    assert "records=100" in said


def delete_dead_letters(bus: BusSettings) -> None:
    """Delete the topic and see it gone: Kafka answers first, and for a moment takes records that go with it.

    That it is in no list any more says little: who knows it from before can still write to it.
    """
    admin = AdminClient({"bootstrap.servers": bus.bootstrap})
    name = full_name(bus.prefix, "dead-letters")
    producer = Producer({"bootstrap.servers": bus.bootstrap, "message.timeout.ms": 2_000})
    assert takes_records(producer, name)
    for deleted in admin.delete_topics([name]).values():
        deleted.result(30)
    wait_until(lambda: not takes_records(producer, name))


def takes_records(producer: Producer, topic: str) -> bool:
    """Of one partition."""
    errors: list[KafkaError | None] = []
    producer.produce(topic, b"probe", b"probe", on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    return errors[0] is None


@pytest.mark.kafka
def test_records_for_a_topic_that_is_gone_arrive_when_it_is_back(bus: BusSettings) -> None:
    async def scenario() -> None:
        emitter = Emitter(bus)
        before = await emitter.send(letters([10]))
        await asyncio.wait_for(before.delivered(), 60)
        await asyncio.to_thread(delete_dead_letters, bus)
        receipt = await emitter.send(letters([10] * 5))
        other = await emitter.send([Outgoing("slates", b"ann", b"x")])
        await asyncio.wait_for(other.delivered(), 60)
        await asyncio.to_thread(ensure_topics, bus)
        await asyncio.wait_for(receipt.delivered(), 60)
        assert not receipt.lost
        await asyncio.to_thread(emitter.close, 5)

    asyncio.run(scenario())
    assert len(messages(bus, "dead-letters")) >= 5


@pytest.mark.kafka
def test_records_for_a_topic_that_stays_away_are_lost(bus: BusSettings) -> None:
    bus = bus.model_copy(update={"publish_timeout_seconds": 1.0})

    async def scenario() -> Receipt:
        emitter = Emitter(bus)
        await asyncio.wait_for((await emitter.send(letters([10]))).delivered(), 60)
        await asyncio.to_thread(delete_dead_letters, bus)
        receipt = await emitter.send(letters([10] * 5))
        await asyncio.wait_for(receipt.delivered(), 120)
        for _ in range(3):  # from now on nobody waits
            again = await emitter.send(letters([10]))
            await asyncio.wait_for(again.delivered(), 5)
            assert again.lost["dead-letters"] == 1
        await asyncio.to_thread(emitter.close, 5)
        return receipt

    assert asyncio.run(scenario()).lost["dead-letters"] == 5
