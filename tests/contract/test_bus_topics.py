"""Topics, on both brokers: made once as the table says, told apart by incarnation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka.admin import ConfigResource, NewTopic

from stream_rec.bus.clients import admin
from stream_rec.bus.topics import ensure_topics, log_id, partition_counts
from stream_rec.embedded.server import free_port
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.topics import TOPICS, full_name
from stream_rec.settings import BusSettings, Settings
from tests.waiting import wait_until


@pytest.fixture
def bus(settings: Settings) -> BusSettings:
    return settings.bus


def create(bus: BusSettings, name: str, partitions: int) -> None:
    client, full = admin(bus), f"{bus.prefix}{name}"
    client.create_topics([NewTopic(full, partitions, 1)])[full].result()
    wait_until(lambda: full in client.list_topics(timeout=5).topics, 10, f"{full} to be seen")


def delete(bus: BusSettings, name: str) -> None:
    client, full = admin(bus), f"{bus.prefix}{name}"
    client.delete_topics([full])[full].result()
    wait_until(lambda: full not in client.list_topics(timeout=5).topics, 10, f"{full} to be gone")


def test_every_topic_of_the_table_is_made_once_however_many_ask_at_the_same_time(bus: BusSettings) -> None:
    with ThreadPoolExecutor(4) as several:
        answers = list(several.map(ensure_topics, [bus] * 4))
    expected = {name: topic.n_partitions(bus.partitions) for name, topic in TOPICS.items()}
    assert answers == [expected] * 4
    assert partition_counts(bus) == expected


def test_topics_are_kept_and_bounded_as_the_table_and_the_settings_say(bus: BusSettings) -> None:
    ensure_topics(bus)
    client = admin(bus)
    for topic in TOPICS.values():
        resource = ConfigResource(ConfigResource.Type.TOPIC, full_name(bus.prefix, topic.name))
        (answer,) = client.describe_configs([resource]).values()
        found = {name: entry.value for name, entry in answer.result().items()}
        wanted = {**topic.config(), "max.message.bytes": str(bus.max_message_bytes)}
        assert {name: found[name] for name in wanted} == wanted


def test_topics_keyed_by_user_follow_the_partitions_of_the_one_that_is_there(bus: BusSettings) -> None:
    create(bus, "events", 3)
    made = ensure_topics(bus)
    assert {made[name] for name in TOPICS if TOPICS[name].is_keyed_by_user} == {3}


def test_topics_keyed_by_user_with_different_partitions_are_refused(bus: BusSettings) -> None:
    create(bus, "events", 3)
    create(bus, "impressions", 2)
    with pytest.raises(ConfigError, match=r"-events: 3, .*-impressions: 2"):
        ensure_topics(bus)


def test_a_topic_of_another_tenant_is_not_ours(bus: BusSettings) -> None:
    ensure_topics(bus)
    assert partition_counts(bus.model_copy(update={"prefix": f"{bus.prefix}other-"})) == {}


def test_a_log_keeps_its_id_until_the_topic_is_made_again(bus: BusSettings) -> None:
    create(bus, "events", 1)
    first = log_id(bus, "events")
    assert log_id(bus, "events") == first
    delete(bus, "events")
    with pytest.raises(ConfigError, match=r"has no topic .*events"):
        log_id(bus, "events")
    ensure_topics(bus)
    assert log_id(bus, "events") != first


def test_two_topics_are_two_logs(bus: BusSettings) -> None:
    ensure_topics(bus)
    assert len({log_id(bus, name) for name in TOPICS}) == len(TOPICS)


def test_a_broker_that_is_not_there_is_unavailable() -> None:
    nowhere = BusSettings(bootstrap=f"127.0.0.1:{free_port()}", admin_timeout_seconds=0.3)
    with pytest.raises(Unavailable, match="kafka is unavailable after"):
        ensure_topics(nowhere)
    with pytest.raises(Unavailable):
        log_id(nowhere, "events")


def test_more_replicas_than_brokers_is_for_the_operator_to_fix(kafka: str, prefix: str) -> None:
    with pytest.raises(ConfigError, match=r"fix: set bus\.replication"):
        ensure_topics(BusSettings(bootstrap=kafka, prefix=prefix, replication=3))
    assert partition_counts(BusSettings(bootstrap=kafka, prefix=prefix)) == {}


def test_no_address_and_wrong_security_are_for_the_operator_to_fix(tansu: str) -> None:
    with pytest.raises(ConfigError, match=r"fix: set bus\.bootstrap"):
        ensure_topics(BusSettings())
    with pytest.raises(ConfigError, match=r"fix: correct bus\.security"):
        ensure_topics(BusSettings(bootstrap=tansu, security={"sasl.pasword": "x"}))
