"""The last values of each worker's metrics, for deployments without Prometheus."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping

import msgspec

from stream_rec.clock import Clock
from stream_rec.settings import StoreSettings
from stream_rec.store.connection import Command, Connection
from stream_rec.store.keys import Keys
from stream_rec.store.overwrite import write_over


class LastValues(msgspec.Struct, frozen=True):
    """What one worker last reported. Redis `metrics:<worker>`.

    Attributes:
        created_ts: when, seconds since the epoch, the worker's clock.
        values: metric with its labels -> value; docs/metrics.md has the names.
    """

    created_ts: float
    values: dict[str, float]


class LastValuesStore:
    """Writes `metrics:<worker>` and keeps `workers`. Bounded: they expire after `metrics_ttl_seconds`.

    Args:
        connection: where to.
        settings: of the store.
        clock: processing time.
        worker: a name no other worker has: `worker_name()`.
    """

    def __init__(self, connection: Connection, settings: StoreSettings, clock: Clock, *, worker: str) -> None:
        self._connection = connection
        self._settings = settings
        self._clock = clock
        self._worker = worker
        self._keys = Keys(settings.prefix)

    async def write(self, values: Mapping[str, float]) -> None:
        """Replace this worker's values.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        now, ttl = self._clock.now(), self._settings.metrics_ttl_seconds
        metrics, workers = self._keys.metrics(self._worker), self._keys.workers
        json = msgspec.json.encode(LastValues(now, dict(values)))
        commands: list[Command] = [
            ("SET", metrics, json, "EX", ttl),
            ("ZADD", workers, now, self._worker),
            ("ZREMRANGEBYSCORE", workers, "-inf", now - ttl),
            ("EXPIRE", workers, ttl),
        ]
        await write_over(self._connection, workers, commands, writes="report")


def worker_name() -> str:
    """Host, process and a random part: two containers may have one host name, and both are process 1."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
