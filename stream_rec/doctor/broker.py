"""Kafka: does it answer, are the topics right, who works on them, and do producers use Java's partitioner."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from stream_rec.bus.clients import admin, passes, translated
from stream_rec.bus.dead_letters import TOPIC as DEAD_LETTERS
from stream_rec.bus.lag import lag
from stream_rec.bus.skips import noted
from stream_rec.bus.topics import partition_counts
from stream_rec.doctor.dead_letters import examine_letters
from stream_rec.doctor.event_types import examine_types
from stream_rec.doctor.finding import Finding, attempted, start_a_worker
from stream_rec.doctor.partitioner import examine_keys
from stream_rec.doctor.store import reported_workers
from stream_rec.doctor.topic_settings import examine_topics
from stream_rec.embedded.tansu import TansuServer
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.history.snapshots.store import SnapshotStore
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import TOPICS, full_name
from stream_rec.settings import BusSettings, Settings, StoreSettings

_AGAIN_SECONDS = 0.05


def examine(settings: Settings) -> Iterator[Finding]:
    """The configured broker, its topics, group and keys; without one, whether the embedded one starts.

    Raises:
        ConfigError: the address is wrong, or Kafka refuses our user.
        Unavailable: Kafka does not answer.
    """
    bus = settings.bus
    if not bus.bootstrap:
        with TansuServer.start():
            yield Finding(
                "warn",
                "bus.bootstrap is empty: nothing of yours was looked at. The embedded broker starts",
                "set bus.bootstrap, or start servers to try it with",
                "stream-rec up --write",
            )
        return
    client = admin(bus)
    try:
        nodes = client.list_topics(timeout=bus.admin_timeout_seconds).brokers
        yield Finding("ok", f"{bus.bootstrap} answers, {len(nodes)} broker{'s' * (len(nodes) > 1)}")
        counts = partition_counts(bus, client=client)
    except KafkaException as error:
        raise translated(error, bus, bus.admin_timeout_seconds) from error
    yield from _topics(bus, counts)
    looks: list[Callable[[], Iterator[Finding]]] = [partial(_skipped, settings)]
    if counts:
        looks.append(partial(examine_topics, client, settings, counts))
    if len(counts) == len(TOPICS):
        looks.append(partial(_group, client, settings))
        looks.append(partial(examine_keys, bus, "events"))
        looks.append(partial(examine_types, settings))
    if DEAD_LETTERS in counts:
        looks.append(partial(examine_letters, bus, settings.bridge.shapes))
    for look in looks:
        yield from attempted("kafka", look)


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
            "warn",
            f"no topic {', '.join(missing)}: nobody can publish or learn",
            "start a worker: it creates them",
            "stream-rec worker",
        )
    by_user = {name: n for name, n in counts.items() if TOPICS[name].is_keyed_by_user}
    if len(set(by_user.values())) > 1:
        listed = ", ".join(f"{name}: {n}" for name, n in by_user.items())
        what = f"topics keyed by user differ in partitions ({listed}): no worker starts, as two would share users"
        most = max(by_user.values())
        fewer = next(name for name, n in by_user.items() if n < most)
        words = ["kafka-topics.sh", "--bootstrap-server", bus.bootstrap]
        words += ["--command-config", "client.properties"] if bus.security else []
        words += ["--alter", "--topic", full_name(bus.prefix, fewer), "--partitions", str(most)]
        fix = "give all of them the same number, best while they are empty"
        yield Finding("fail", what, fix, shlex.join(words))
    elif by_user:
        yield Finding(
            "ok", f"{len(counts)} topics, {next(iter(by_user.values()))} partitions where keyed by user"
        )


def _skipped(settings: Settings) -> Iterator[Finding]:
    """Records that are left out; what only snapshots know would be learned by who starts without them."""
    here = set(settings.ingest.skip)
    if here:
        yield Finding("ok", f"records that are left out: {', '.join(sorted(here))}")
    if settings.snapshot.url:
        infos = SnapshotStore(settings.snapshot).list()
        if more := {text for info in infos for text in noted(info.notes)} - here:
            listed = ", ".join(sorted(more))
            yield Finding(
                "warn",
                f"records that snapshots leave out and these settings do not: {listed}",
                "name them in ingest.skip, in the settings that all workers share",
            )


def _group(client: AdminClient, settings: Settings) -> Iterator[Finding]:
    bus = settings.bus
    members, said = _n_members(client, bus), ""
    if not members and (members := _n_reported(settings.store)):
        said = (
            " as Redis says (the broker names no members, and other tools for consumer groups will show none)"
        )
    behind = sum(line.lag for line in lag(bus))
    text = f"group {bus.group}: {members} worker{'s' * (members != 1)}{said}, {behind:,} records behind"
    if not members:
        yield Finding("warn", f"{text}: slates age", *start_a_worker(settings))
    else:
        yield Finding("ok", text)


def _n_reported(store: StoreSettings) -> int:
    """Number of workers that Redis knows of; what is wrong with Redis is said in its own area."""
    with suppress(ConfigError, Unavailable):
        return len(reported_workers(store)) if store.url else 0
    return 0
