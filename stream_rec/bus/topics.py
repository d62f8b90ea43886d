"""The topics of `stream_rec.schemas.topics` on a broker: created once, identified by topic id."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType, TopicDescription

from stream_rec.bus.clients import admin, translated
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import TOPICS, Topic, full_name
from stream_rec.settings import BusSettings

_POLL_SECONDS, _LONGEST_POLL_SECONDS = 0.02, 0.5
_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"

_NEVER = (1 << 63) - 1
"""Kafka's default of `max.compaction.lag.ms`."""


def ensure_topics(bus: BusSettings) -> dict[TopicName, int]:
    """Create what is missing; a topic that is there stays as it is. Several processes may call it at once.

    Topics keyed by user get the partition count of those of them that are there, else `bus.partitions`.

    Returns:
        Partitions by name, of every topic. All have leaders.

    Raises:
        ConfigError: topics keyed by user have different partition counts, or the broker refuses the settings.
        Unavailable: no answer from the broker, or topics without leaders, after `bus.admin_timeout_seconds`.
    """
    client, began = admin(bus), time.monotonic()
    there = partition_counts(bus, client=client)
    n_events = _common_partitions(
        {name: n for name, n in there.items() if TOPICS[name].is_keyed_by_user}, bus
    )
    missing = [topic for name, topic in TOPICS.items() if name not in there]
    if missing:
        _create(client, bus, [_new_topic(bus, topic, n_events) for topic in missing])
    while len(there) < len(TOPICS):
        waited = time.monotonic() - began
        if waited > bus.admin_timeout_seconds:
            raise _no_leaders(bus, [name for name in TOPICS if name not in there], waited)
        time.sleep(_POLL_SECONDS)
        there = partition_counts(bus, client=client)
    _common_partitions({name: n for name, n in there.items() if TOPICS[name].is_keyed_by_user}, bus)
    return there


def partition_counts(
    bus: BusSettings, names: Collection[TopicName] = tuple(TOPICS), *, client: AdminClient | None = None
) -> dict[TopicName, int]:
    """Partitions by name, of those topics that exist: a partition without a leader is waited for. Creates nothing.

    Raises:
        ConfigError: security is wrong.
        Unavailable: no answer from the broker, or partitions without leaders, after `bus.admin_timeout_seconds`.
    """
    client, began, pause = client or admin(bus), time.monotonic(), _POLL_SECONDS
    while True:
        found = _described(bus, names, client)
        # A topic is there while its broker is not: it would be called missing, and somebody told to make it.
        unready = [name for name, topic in found.items() if not _is_led(topic)]
        if not unready:
            return {name: len(topic.partitions) for name, topic in found.items()}
        waited = time.monotonic() - began
        if waited > bus.admin_timeout_seconds:
            raise _no_leaders(bus, unready, waited)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_POLL_SECONDS)


def log_id(bus: BusSettings, name: TopicName) -> str:
    """The id of this incarnation of the topic: offsets of two logs with different ids cannot be compared.

    It is Kafka's topic id (22 characters of base64): a topic that is deleted and made again has another, and
    so has every topic after a restart of the embedded broker.

    Raises:
        ConfigError: there is no such topic, or the broker is too old to give ids.
        Unavailable: the broker did not answer within `bus.admin_timeout_seconds`.
    """
    found = _described(bus, [name], admin(bus))
    if name not in found:
        raise missing_topics(bus, [name])
    topic_id = str(found[name].topic_id)
    if topic_id == _NO_ID:
        raise ConfigError(
            f"Kafka at {bus.bootstrap} gives topics no ids", fix="upgrade it to Kafka 3.1 or newer"
        )
    return topic_id


def kept_ms(bus: BusSettings, name: TopicName) -> int:
    """How long the topic keeps a record, as the broker says, else as `TOPICS` does; overruled ones if it is compacted.

    Raises:
        Unavailable: the broker did not answer within `bus.admin_timeout_seconds`.
    """
    topic = TOPICS[name]
    key = "min.compaction.lag.ms" if topic.whole_for_ms else "retention.ms"
    return int(_config(bus, name).get(key) or topic.retention_ms or topic.whole_for_ms)


def gone_after_ms(bus: BusSettings, name: TopicName) -> int | None:
    """How soon the broker removes a record that was overruled; None = it does not, before the retention is over.

    Raises:
        Unavailable: the broker did not answer within `bus.admin_timeout_seconds`.
    """
    config = _config(bus, name)
    if "compact" not in config.get("cleanup.policy", ""):
        return None
    lag = int(config.get("max.compaction.lag.ms", _NEVER))
    return lag if lag < _NEVER else None


def _config(bus: BusSettings, name: TopicName) -> dict[str, str]:
    """As the broker has it; without what it does not say."""
    asked = ConfigResource(ResourceType.TOPIC, full_name(bus.prefix, name))
    try:
        client = admin(bus)  # must outlive its futures
        answers = client.describe_configs([asked], request_timeout=bus.admin_timeout_seconds)
        found = answers[asked].result()
    except KafkaException as error:
        raise translated(error, bus, bus.admin_timeout_seconds) from error
    return {key: str(entry.value) for key, entry in found.items() if entry.value}


def cluster_id(bus: BusSettings) -> str:
    """The id of the cluster; the embedded broker's is always the same.

    Raises:
        Unavailable: the broker did not answer within `bus.admin_timeout_seconds`.
    """
    try:
        return str(admin(bus).list_topics(timeout=bus.admin_timeout_seconds).cluster_id)
    except KafkaException as error:
        raise translated(error, bus, bus.admin_timeout_seconds) from error


def missing_topics(bus: BusSettings, names: Collection[TopicName]) -> ConfigError:
    """The error for topics that should be there."""
    listed = ", ".join(full_name(bus.prefix, name) for name in names)
    return ConfigError(
        f"Kafka at {bus.bootstrap} has no topic {listed}",
        fix="start `stream-rec up` or a worker: both create topics",
    )


def _no_leaders(bus: BusSettings, names: Collection[TopicName], waited_seconds: float) -> Unavailable:
    listed = ", ".join(full_name(bus.prefix, name) for name in names)
    return Unavailable("kafka", f"{bus.bootstrap}: no leaders for {listed}", waited_seconds=waited_seconds)


def _is_led(topic: TopicDescription) -> bool:
    """Has it partitions, and each of them a leader?"""
    return bool(topic.partitions) and all(p.leader is not None and p.leader.id >= 0 for p in topic.partitions)


def _described(bus: BusSettings, names: Collection[TopicName], client: AdminClient) -> dict[TopicName, Any]:
    by_full = {full_name(bus.prefix, name): name for name in names}
    futures = client.describe_topics(
        TopicCollection(list(by_full)), request_timeout=bus.admin_timeout_seconds
    )
    answers = _results(futures, bus, passing=KafkaError.UNKNOWN_TOPIC_OR_PART)
    return {by_full[full]: answer for full, answer in answers.items()}


def _common_partitions(by_user: Mapping[TopicName, int], bus: BusSettings) -> int:
    if len(set(by_user.values())) > 1:
        counts = ", ".join(f"{full_name(bus.prefix, name)}: {n}" for name, n in sorted(by_user.items()))
        raise ConfigError(
            f"topics keyed by user differ in partitions ({counts}): workers would share users",
            fix="delete the wrong ones, or give them the same number of partitions",
        )
    return next(iter(by_user.values()), bus.partitions)


def _new_topic(bus: BusSettings, topic: Topic, n_events: int) -> NewTopic:
    return NewTopic(
        full_name(bus.prefix, topic.name),
        topic.n_partitions(n_events),
        bus.replication,
        config={**topic.config(), "max.message.bytes": str(bus.max_message_bytes)},
    )


def _create(client: AdminClient, bus: BusSettings, topics: list[NewTopic]) -> None:
    futures = client.create_topics(topics, request_timeout=bus.admin_timeout_seconds)
    _results(futures, bus, passing=KafkaError.TOPIC_ALREADY_EXISTS)


def _results(futures: Mapping[str, Future[Any]], bus: BusSettings, *, passing: int) -> dict[str, Any]:
    """Every answer; those that failed with the code `passing` are left out."""
    answers = {}
    for name, future in futures.items():
        try:
            answers[name] = future.result()
        except KafkaException as error:
            if error.args[0].code() != passing:
                raise translated(error, bus, bus.admin_timeout_seconds) from error
    return answers
