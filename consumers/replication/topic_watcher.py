"""Looks from time to time whether Kafka answers, and whether topics have grown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from stream_rec import logs
from stream_rec.bus.clients import admin
from stream_rec.bus.topics import partition_counts
from stream_rec.consumers.runtime.background import aside
from stream_rec.errors import Unavailable
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.settings import BusSettings

_FIRST_PAUSE_SECONDS = 0.1
_SAY_EVERY_SECONDS = 5.0


class TopicWatch:
    """Tells of partitions that were added, and says so while the worker waits for Kafka.

    Args:
        bus: where, and how often.
        partitions: how many each topic has.
        grow: told how many all topics have once one has more.
    """

    def __init__(
        self,
        bus: BusSettings,
        partitions: Mapping[TopicName, int],
        grow: Callable[[Mapping[TopicName, int]], None],
    ) -> None:
        self._bus = bus
        self._grow = grow
        self._partitions = {name: partitions[name] for name in FOLLOWED}
        self._admin = admin(bus)
        self._log = logs.get("ingest")

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            ConfigError: security is wrong.
        """
        loop = asyncio.get_running_loop()
        pause, since, said = self._bus.metadata_seconds, None, float("-inf")
        while True:
            await asyncio.sleep(pause)
            why, now = await self._look(), loop.time()
            if why:
                pause = (
                    _FIRST_PAUSE_SECONDS if since is None else min(2 * pause, self._bus.backoff_max_seconds)
                )
                since = now if since is None else since
                if now - said >= _SAY_EVERY_SECONDS:
                    said = now
                    self._log.warning("waiting for kafka", why=why, waited_seconds=round(now - since, 1))
            elif since is not None:
                self._log.warning("the wait for kafka is over", waited_seconds=round(now - since, 1))
                pause, since = self._bus.metadata_seconds, None

    async def _look(self) -> str:
        """What is wrong with Kafka; empty if it answers, and every partition has a leader."""
        try:
            found = await aside(partial(partition_counts, self._bus, FOLLOWED, client=self._admin))
        except Unavailable as error:
            return error.detail
        grown = {name: n for name, n in found.items() if n > self._partitions[name]}
        if grown:
            self._partitions.update(grown)
            self._log.warning("topics have more partitions than before", **grown)
            self._grow(dict(self._partitions))
        lost = ", ".join(name for name in FOLLOWED if name not in found)
        return f"{self._bus.bootstrap}: not every partition of {lost} has a leader" if lost else ""
