"""Does Kafka answer, have topics grown, and are they still the same."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from structlog.testing import capture_logs

from stream_rec.bus.topics import ensure_topics, log_id
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.replication.topic_watcher import TopicWatcher
from stream_rec.embedded.tansu import TansuServer
from stream_rec.errors import ConfigError
from stream_rec.schemas.topics import FOLLOWED, TOPICS, full_name
from stream_rec.settings import BusSettings, Settings
from tests.waiting import wait_until, wait_until_async


def make_table(bus: BusSettings, *, known: int | None = None) -> PartitionTable:
    """The topics as they are, or as if only so many of the partitions were known."""
    counts = ensure_topics(bus)
    return PartitionTable(
        {name: known or counts[name] for name in FOLLOWED},
        {name: log_id(bus, name) for name in FOLLOWED},
    )


def watched(bus: BusSettings, table: PartitionTable, until: str) -> list[int]:
    """Partitions of `events` that the table knew whenever growth was told; until there are so many."""
    told: list[int] = []

    async def scenario() -> None:
        watcher = TopicWatcher(bus, table, lambda: told.append(table.count("events")))
        watching = asyncio.create_task(watcher.run())
        await wait_until_async(lambda: table.count("events") == bus.partitions, what=until)
        watching.cancel()

    asyncio.run(scenario())
    return told


def test_partitions_that_were_added_are_in_the_table_before_they_are_told(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus.model_copy(update={"metadata_seconds": 0.05})
    table = make_table(bus, known=1)
    assert watched(bus, table, "the table to know them all") == [bus.partitions]
    assert {name: table.count(name) for name in FOLLOWED} == {
        name: TOPICS[name].n_partitions(bus.partitions) for name in FOLLOWED
    }


def test_topics_that_are_still_the_same_pass(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    watcher = TopicWatcher(bus, make_table(bus), lambda: None)
    asyncio.run(watcher.check_topic_ids())


def test_whether_they_are_the_same_is_asked_until_kafka_answers(tmp_path: Path) -> None:
    """A rebalance may fall into an outage; the worker has learned, and does not end for that."""

    def told(event: str) -> bool:
        return any(line["event"] == event for line in said)

    async def scenario() -> None:
        checking = asyncio.create_task(watcher.check_topic_ids())
        await wait_until_async(lambda: told("waiting for kafka"), what="it to say so")
        os.kill(broker.pid, signal.SIGCONT)
        await asyncio.wait_for(checking, 60)

    with TansuServer.start(tmp_path) as broker, capture_logs() as said:
        bus = BusSettings(bootstrap=broker.bootstrap, admin_timeout_seconds=0.5)
        watcher = TopicWatcher(bus, make_table(bus), lambda: None)
        os.kill(broker.pid, signal.SIGSTOP)
        asyncio.run(scenario())
    assert told("the wait for kafka is over")


@pytest.mark.kafka
def test_a_topic_that_was_deleted_and_recreated_is_refused(kafka: str, prefix: str) -> None:
    bus = BusSettings(bootstrap=kafka, prefix=prefix, group=f"{prefix}g")
    watcher = TopicWatcher(bus, make_table(bus), lambda: None)
    topic = full_name(prefix, "events")
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.delete_topics([topic]).values():
        future.result()
    wait_until(lambda: topic not in admin.list_topics(timeout=10).topics, what="the topic to be gone")
    ensure_topics(bus)
    with pytest.raises(ConfigError, match="deleted and recreated"):
        asyncio.run(watcher.check_topic_ids())


def test_a_topic_of_another_id_than_what_was_learned_is_refused(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    table = make_table(bus)
    other = PartitionTable(
        {name: table.count(name) for name in FOLLOWED},
        {**table.topic_ids, "items": "another incarnation"},
    )
    with pytest.raises(ConfigError, match=f"{bus.prefix}items was deleted and recreated"):
        asyncio.run(TopicWatcher(bus, other, lambda: None).check_topic_ids())
