"""Kafka: does it answer, are the topics right, who works on them, and do producers use Java's partitioner."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from stream_rec.bus.clients import admin, passes, translated
from stream_rec.bus.lag import lag
from stream_rec.bus.topics import partition_counts
from stream_rec.doctor.finding import Finding
from stream_rec.doctor.partitioner import examine_keys
from stream_rec.doctor.store import reported_workers
from stream_rec.embedded.tansu import TansuServer
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import TOPICS, full_name
from stream_rec.settings import BusSettings, Settings, StoreSettings

_AGAIN_SECONDS = 0.05
_RENEW = "`kafka-configs.sh --alter --topic {topic} --add-config {name}={wanted}`"


def examine(settings: Settings) -> Iterator[Finding]:
    """The configured broker, its topics, group and keys; without one, whether the embedded one starts.

    Raises:
        ConfigError: the address is wrong, or Kafka refuses our user.
        Unavailable: Kafka does not answer.
    """
    bus = settings.bus
    if not bus.bootstrap:
        with TansuServer.start():
            yield Finding("ok", "bus.bootstrap is empty; the embedded broker starts")
        return
    client = admin(bus)
    try:
        nodes = client.list_topics(timeout=bus.admin_timeout_seconds).brokers
        yield Finding("ok", f"{bus.bootstrap} answers, {len(nodes)} broker{'s' * (len(nodes) > 1)}")
        counts = partition_counts(bus, client=client)
        yield from _topics(bus, counts)
        if counts:
            yield from _topic_configs(client, bus, counts)
        if len(counts) == len(TOPICS):
            yield _group(client, settings)
            yield from examine_keys(bus, "events")
    except KafkaException as error:
        raise translated(error, bus, bus.admin_timeout_seconds) from error


def _n_members(client: AdminClient, bus: BusSettings) -> int:
    deadline = time.monotonic() + bus.admin_timeout_seconds
    while True:
        described = client.describe_consumer_groups([bus.group], request_timeout=bus.admin_timeout_seconds)
        try:
            return len(described[bus.group].result().members)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:  # nobody has ever joined
                return 0
            # The first group of a cluster is asked for while its coordinator is being made.
            if not passes(error) or time.monotonic() > deadline:
                raise
        time.sleep(_AGAIN_SECONDS)


def _topics(bus: BusSettings, counts: dict[TopicName, int]) -> Iterator[Finding]:
    if missing := [full_name(bus.prefix, name) for name in TOPICS if name not in counts]:
        yield Finding(
            "warn", f"no topic {', '.join(missing)}", "start a worker or `stream-rec up`: both create them"
        )
    by_user = {name: n for name, n in counts.items() if TOPICS[name].is_keyed_by_user}
    if len(set(by_user.values())) > 1:
        listed = ", ".join(f"{name}: {n}" for name, n in by_user.items())
        fix = "delete the wrong ones, or give them the same number of partitions"
        yield Finding("fail", f"topics keyed by user differ in partitions ({listed})", fix)
    elif by_user:
        yield Finding(
            "ok", f"{len(counts)} topics, {next(iter(by_user.values()))} partitions where keyed by user"
        )


def _topic_configs(client: AdminClient, bus: BusSettings, counts: dict[TopicName, int]) -> Iterator[Finding]:
    """What a wrong topic setting would break silently."""
    asked = {name: ConfigResource(ResourceType.TOPIC, full_name(bus.prefix, name)) for name in counts}
    answers = client.describe_configs(list(asked.values()), request_timeout=bus.admin_timeout_seconds)
    wrong = 0
    for name, resource in asked.items():
        found = {key: entry.value for key, entry in answers[resource].result().items()}
        for key, wanted in TOPICS[name].config().items():
            # A broker that does not say (the embedded one) has nothing to set either.
            if key in found and found[key] != wanted:
                wrong += 1
                fix = _RENEW.format(topic=resource.name, name=key, wanted=wanted)
                yield Finding("warn", f"topic {resource.name} has {key}={found[key]}, not {wanted}", fix)
    if not wrong:
        yield Finding("ok", "topic settings are as they should be")


def _group(client: AdminClient, settings: Settings) -> Finding:
    bus = settings.bus
    members, said = _n_members(client, bus), ""
    if not members and (members := _n_reported(settings.store)):
        said = (
            " as Redis says (the broker names no members, and other tools for consumer groups will show none)"
        )
    behind = sum(line.lag for line in lag(bus))
    text = f"group {bus.group}: {members} worker{'s' * (members != 1)}{said}, {behind:,} records behind"
    if not members:
        return Finding("warn", text, "start a worker: `stream-rec worker`")
    return Finding("ok", text)


def _n_reported(store: StoreSettings) -> int:
    """Number of workers that Redis knows of; what is wrong with Redis is said in its own area."""
    with suppress(ConfigError, Unavailable):
        return len(reported_workers(store)) if store.url else 0
    return 0
