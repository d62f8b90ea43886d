"""Every record is acknowledged where it stands, or raises."""

from __future__ import annotations

import json
import os
import random
import re
import signal
from collections.abc import Iterator

import pytest

from stream_rec.bus.topics import ensure_topics, partition_counts
from stream_rec.embedded.tansu import TansuServer
from stream_rec.errors import ConfigError, ContractError, Unavailable
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import Impression, Interaction, Item
from stream_rec.schemas.topics import Ack
from stream_rec.settings import BusSettings, IngestSettings, Settings
from tests.oracles.murmur2 import partition
from tests.reading import messages

EVENT = Interaction("ann", "film-1", "view", 1_700_000_000.0)


@pytest.fixture
def bus(tansu_settings: Settings) -> BusSettings:
    ensure_topics(tansu_settings.bus)
    return tansu_settings.bus


def test_an_ack_says_where_the_record_stands(settings: Settings) -> None:
    ensure_topics(settings.bus)
    events = [Interaction(f"user-{n}", "film-1", "view", 1.0 + n) for n in range(40)]

    with Publisher(settings.bus) as publisher:
        acks = publisher.publish_all(events)
        last = publisher.publish(EVENT)

    there = {(m.partition(), m.offset()): m for m in messages(settings.bus, "events")}
    assert len(there) == 41
    for event, ack in zip([*events, EVENT], [*acks, last], strict=True):
        message = there[ack.partition, ack.offset]
        assert (ack.topic, message.key(), message.value()) == (
            "events",
            event.user_id.encode(),
            encode(event),
        )


def test_a_key_goes_to_the_partition_that_javas_client_would_choose(bus: BusSettings) -> None:
    users = ["ann", "bob", "müller", "x" * 100]
    with Publisher(bus) as publisher:
        acks = publisher.publish_all(Interaction(user, "film-1", "view", 1.0) for user in users)

    assert [ack.partition for ack in acks] == [partition(user.encode(), bus.partitions) for user in users]


def test_every_kind_of_record_goes_to_its_topic(bus: BusSettings) -> None:
    with Publisher(bus) as publisher:
        acks = publisher.publish_all(
            [EVENT, Item("film-1", "Film"), Impression("s", "ann", 1.0, ("film-1",))]
        )

    assert [ack.topic for ack in acks] == ["events", "items", "impressions"]


def test_a_removed_item_is_an_empty_value_under_its_id(bus: BusSettings) -> None:
    with Publisher(bus) as publisher:
        ack = publisher.remove_item("film-1")

    (message,) = messages(bus, "items")
    assert (message.key(), message.value() or b"") == (b"film-1", b"")
    assert ack == Ack("items", message.partition(), message.offset())


def test_what_is_sent_is_there_when_the_publisher_is_left(bus: BusSettings) -> None:
    acks: list[Ack] = []
    with Publisher(bus.model_copy(update={"publish_queue_records": 50})) as publisher:
        for n in range(1000):
            publisher.send(Interaction(f"user-{n % 9}", f"film-{n}", "view", 1.0), acks.append)

    assert len(acks) == 1000
    items = [json.loads(message.value())["item_id"] for message in messages(bus, "events")]
    assert sorted(items) == sorted(f"film-{n}" for n in range(1000))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Interaction("", "film-1", "view", 1.0), "empty_id"),
        (Interaction("ann", "f" * 1000, "view", 1.0), "id_too_long"),
        (Interaction("ann\ud800", "film-1", "view", 1.0), "bad_id"),
        (Interaction("ann", "film-1", "view", float("nan")), "ts_out_of_range"),
        (Interaction("ann", "film-1", "view", 1.0, value=float("inf")), "value_out_of_range"),
        (Interaction("ann", "film-1", "view", 1.0, context={"x": "y" * 70_000}), "record_too_large"),
        (Interaction("ann", "film-1", "view", 1.0, context={"x": "\ud800"}), "not_utf8"),
        (Item("film-1", tags=("",)), "empty_id"),
        (Impression("s", "ann", 1.0, ("a",), propensities=()), "propensity_mismatch"),
    ],
)
def test_a_record_that_workers_would_refuse_is_refused_before_the_bus_is_asked(
    record: Interaction, reason: str
) -> None:
    publisher = Publisher(BusSettings(bootstrap="127.0.0.1:9"))
    with pytest.raises(ContractError) as refused:
        publisher.publish(record)

    assert refused.value.reason == reason


def test_a_message_over_the_topics_limit_is_an_error(bus: BusSettings) -> None:
    with Publisher(bus) as publisher, pytest.raises(ContractError) as refused:
        publisher.send_raw("events", b"ann", b"x" * (bus.max_message_bytes + 1))

    assert refused.value.reason == "message_too_large"


@pytest.mark.kafka
def test_small_records_refused_for_the_size_of_their_batch_name_the_topics_limit(
    kafka: str, prefix: str
) -> None:
    """Kafka refuses the batch whole, and librdkafka does not split it. The embedded broker has no limit."""
    bus = BusSettings(bootstrap=kafka, prefix=prefix, partitions=1, publish_linger_ms=200)
    ensure_topics(bus.model_copy(update={"max_message_bytes": 20_000}))
    noise = random.Random(0)  # that does not compress
    with Publisher(bus) as publisher:
        publisher.send_raw("events", b"ann", noise.randbytes(10_000))
        publisher.flush()
        with pytest.raises(ConfigError, match=r"below bus\.max_message_bytes") as refused:
            for _ in range(8):
                publisher.send_raw("events", b"ann", noise.randbytes(10_000))
            publisher.flush()

    assert "max.message.bytes=" in refused.value.fix
    assert len(messages(bus, "events")) == 1


def test_a_5_mb_message_passes_the_bus(bus: BusSettings) -> None:
    with Publisher(bus) as publisher:
        publisher.send_raw("events", b"ann", b"x" * 5_000_000)

    (message,) = messages(bus, "events")
    assert len(message.value()) == 5_000_000


def test_a_limit_that_the_workers_have_not_is_not_imposed(bus: BusSettings) -> None:
    with Publisher(bus, IngestSettings(max_id_bytes=1000)) as publisher:
        assert publisher.publish(Interaction("ann", "f" * 1000, "view", 1.0)).topic == "events"


def test_a_topic_that_is_not_there_is_an_error_and_is_not_made(tansu_settings: Settings) -> None:
    publisher = Publisher(tansu_settings.bus)
    with pytest.raises(ConfigError, match="has no topic"):
        publisher.publish(EVENT)

    assert partition_counts(tansu_settings.bus) == {}


def test_no_address_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no Kafka address"):
        Publisher(BusSettings())


def test_a_setting_that_the_client_does_not_know_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"sasl\.nonsense"):
        Publisher(BusSettings(bootstrap="127.0.0.1:9", security={"sasl.nonsense": "x"}))


def test_a_broker_that_was_never_there_is_an_error_after_the_deadline() -> None:
    publisher = Publisher(BusSettings(bootstrap="127.0.0.1:9", publish_timeout_seconds=0.5))
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        publisher.publish(EVENT)


@pytest.fixture(scope="module")
def lost() -> Iterator[list[Publisher]]:
    """Publishers that have published, and then lost their broker."""
    with TansuServer.start() as broker:
        bus = BusSettings(bootstrap=broker.bootstrap, publish_timeout_seconds=2.0, publish_queue_records=20)
        ensure_topics(bus)
        publishers = [Publisher(bus) for _ in range(4)]
        for publisher in publishers:
            publisher.publish(EVENT)
        os.kill(broker.pid, signal.SIGKILL)
        yield publishers


def test_a_broker_that_goes_away_is_an_error_after_the_deadline(lost: list[Publisher]) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1.*not acknowledged in time"):
        lost[0].publish(EVENT)


def test_what_was_sent_and_is_lost_is_an_error_that_says_how_much(lost: list[Publisher]) -> None:
    with pytest.raises(Unavailable) as error, lost[1] as publisher:
        for _ in range(10):
            publisher.send(EVENT)

    # Reports may come late on a busy machine: then it is the waiting that ends, and the text that counts.
    told = "\n".join([str(error.value), *getattr(error.value, "__notes__", [])])
    assert re.search(r"\b10 (records were|of all records are) not acknowledged", told)


def test_a_queue_that_stays_full_is_an_error(lost: list[Publisher]) -> None:
    def send_without_end() -> None:
        while True:
            lost[2].send(EVENT)

    with pytest.raises(Unavailable):
        send_without_end()
    assert len(lost[2]) <= 20


def test_an_error_of_the_caller_is_not_hidden_by_what_could_not_be_sent(lost: list[Publisher]) -> None:
    def send_and_fail() -> None:
        with lost[3] as publisher:
            publisher.send(EVENT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as error:
        send_and_fail()
    assert "not everything was published" in error.value.__notes__[0]
