"""Looks whether Kafka answers, whether topics have grown, and whether they are still the same topics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from stream_rec import logs
from stream_rec.bus.clients import admin
from stream_rec.bus.topics import log_id, partition_counts
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.background import in_background
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.settings import BusSettings

_FIRST_PAUSE_SECONDS = 0.1
_SAY_EVERY_SECONDS = 15.0


class TopicWatcher:
    """Notes partitions that were added, and says so while the worker waits for Kafka.

    Args:
        bus: addresses, and the time between two looks.
        table: counts of partitions, kept up to date here; ids of the topics.
        on_grown: called when topics have more partitions, once the table knows them.
    """

    def __init__(self, bus: BusSettings, table: PartitionTable, on_grown: Callable[[], None]) -> None:
        self._bus = bus
        self._table = table
        self._on_grown = on_grown
        self._admin = admin(bus)
        self._log = logs.get("ingest")

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            ConfigError: security is wrong.
        """
        outage, pause = _Outage(self._bus), self._bus.metadata_seconds
        while True:
            await asyncio.sleep(pause)
            if why := await self._look():
                pause = outage.goes_on(why)
            else:
                outage.is_over()
                pause = self._bus.metadata_seconds

    async def check_topic_ids(self) -> None:
        """Are the topics still those that this worker has learned from. While Kafka does not answer, it waits.

        Raises:
            ConfigError: a topic was deleted and recreated since the start.
        """
        outage = _Outage(self._bus)
        while True:
            try:
                await in_background(self._check_topic_ids)
            except Unavailable as error:
                await asyncio.sleep(outage.goes_on(f"{error.detail}, asked for the ids of topics"))
            else:
                outage.is_over()
                return

    def _check_topic_ids(self) -> None:
        for name, known in self._table.topic_ids.items():
            if log_id(self._bus, name) != known:
                raise ConfigError(
                    f"topic {self._bus.prefix}{name} was deleted and recreated (topic id changed): this worker has "
                    "learned from the old log",
                    fix="start the worker again",
                )

    async def _look(self) -> str:
        """What is wrong with Kafka; empty if it answers, and every partition has a leader."""
        try:
            found = await in_background(partial(partition_counts, self._bus, FOLLOWED, client=self._admin))
        except Unavailable as error:
            return error.detail
        if grown := self._table.grow(found):
            self._log.warning("partitions were added to topics", **grown)
            self._on_grown()
        lost = ", ".join(name for name in FOLLOWED if name not in found)
        return f"{self._bus.bootstrap}: not every partition of {lost} has a leader" if lost else ""


class _Outage:
    """Says that Kafka is waited for, and how long until it is asked again."""

    def __init__(self, bus: BusSettings) -> None:
        self._longest_pause = bus.backoff_max_seconds
        self._since: float | None = None
        self._pause = 0.0
        self._said = float("-inf")
        self._log = logs.get("ingest")

    def goes_on(self, why: str) -> float:
        """Kafka did not answer: the seconds to the next question."""
        now = time.monotonic()
        if self._since is None:
            self._since, self._pause = now, _FIRST_PAUSE_SECONDS
        else:
            self._pause = min(2 * self._pause, self._longest_pause)
        if now - self._said >= _SAY_EVERY_SECONDS:
            self._said = now
            self._log.warning("waiting for kafka", why=why, waited_seconds=round(now - self._since, 1))
        return self._pause

    def is_over(self) -> None:
        """Kafka answered."""
        if self._since is not None:
            waited = round(time.monotonic() - self._since, 1)
            self._log.warning("the wait for kafka is over", waited_seconds=waited)
            self._since = None
