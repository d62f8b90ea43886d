"""What a worker tells those who start, stop and send traffic to it: is it alive, and is it ready?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.replication.progress import Distance
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.store.writes import Writes

PULSE_SECONDS = 1.0


class Watched(Protocol):
    """How far the worker is; `replication.progress.Progress` is one."""

    @property
    def joined(self) -> bool:
        """Has the worker begun with a first assignment."""
        ...

    def distances(self) -> Iterable[Distance]:
        """Of all partitions."""
        ...


class Health:
    """Answers probes from any thread; an empty answer is a yes, any other says why not.

    Alive: the main loop and the engine's thread have turned lately. A server that is away is no reason to be killed.
    Ready: the worker has been in the group, so it has learned what was served before and the whole catalogue; and no
    partition, owned or followed, is farther than `within_records` from its end; and writes to Redis have not failed for
    `store.unready_seconds`. A distance that is not known, as it is for a moment after every rebalance, keeps a worker
    from becoming ready, but not from being it.

    Args:
        within_records: the distance up to which a worker is ready.
        within_seconds: the silence up to which it is alive.
        engine: asked for a sign of life.
        clock: for the sign of life.
    """

    def __init__(
        self, within_records: int, within_seconds: float, engine: EngineThread[Engine], clock: Clock
    ) -> None:
        self._within_records = within_records
        self._within_seconds = within_seconds
        self._engine = engine
        self._clock = clock
        self._turned = clock.monotonic()
        self._not_ready = "not in the group yet"
        self._log = logs.get("worker")

    def live(self) -> str:
        """Why the worker is not alive."""
        silent = self._clock.monotonic() - self._turned
        return f"stuck for {silent:.0f} s" if silent > self._within_seconds else ""

    def ready(self) -> str:
        """Why the worker is not ready."""
        return self._not_ready

    async def watch(self, progress: Watched, writes: Writes) -> None:
        """Look after the worker until cancelled.

        Args:
            progress: how far the worker is.
            writes: whether Redis accepts writes.
        """
        while True:
            await self._engine.ask(_nothing)
            self._turned = self._clock.monotonic()
            self._look(progress, writes)
            await asyncio.sleep(PULSE_SECONDS)

    def _look(self, progress: Watched, writes: Writes) -> None:
        before, self._not_ready = self._not_ready, self._why_not(progress) or writes.why_not()
        if before and not self._not_ready:
            self._log.info("ready")
        elif self._not_ready and not before:
            self._log.warning("no longer ready", why=self._not_ready)

    def _why_not(self, progress: Watched) -> str:
        if not progress.joined:
            return "not in the group yet"
        for name, partition, distance in progress.distances():
            if distance is None and self._not_ready:
                return f"{name}/{partition}: its end offset is not known yet"
            if distance is not None and distance > self._within_records:
                return f"{name}/{partition}: {distance} records behind its end"
        return ""


def _nothing(_: Engine) -> None:
    """Done as soon as the engine's thread comes to it."""
