"""The last values of each worker's metrics, for those who have no Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from redis.asyncio import Redis

from stream_rec.clock import Clock
from stream_rec.settings import StoreSettings
from stream_rec.store.connection import answering
from stream_rec.store.keys import Keys


class LastValues(msgspec.Struct, frozen=True):
    """What one worker last reported. Redis `metrics:<worker>`.

    Attributes:
        created_ts: when, seconds since the epoch, the worker's clock.
        values: metric with its labels -> value; docs/metrics.md has the names.
    """

    created_ts: float
    values: dict[str, float]


class LastValuesStore:
    """Writes `metrics:<worker>` and keeps `workers`. Bounded: a worker silent for `metrics_ttl_seconds` goes.

    Args:
        redis: the connection.
        settings: of the store.
        clock: processing time.
        worker: a name no other worker has, e.g. host and pid.
    """

    def __init__(self, redis: Redis, settings: StoreSettings, clock: Clock, *, worker: str) -> None:
        self._redis = redis
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
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(
            self._keys.metrics(self._worker), msgspec.json.encode(LastValues(now, dict(values))), ex=ttl
        )
        pipeline.zadd(self._keys.workers, {self._worker: now})
        pipeline.zremrangebyscore(self._keys.workers, "-inf", now - ttl)
        pipeline.expire(self._keys.workers, ttl)
        with answering(self._settings.url):
            await pipeline.execute()
