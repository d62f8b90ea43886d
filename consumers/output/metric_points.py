"""Where a worker's figures go: metric points to the topic `metrics`, last values to Redis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stream_rec.consumers.output.emitter import Emitter, Outgoing, Receipt
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import MetricPoint
from stream_rec.schemas.topics import key_of
from stream_rec.store.last_values import LastValuesStore


class MetricOutput:
    """Publishes figures.

    Args:
        emitter: takes points.
        last_values: for those who have no Prometheus.
    """

    def __init__(self, emitter: Emitter, last_values: LastValuesStore) -> None:
        self._emitter = emitter
        self._last_values = last_values

    async def publish(self, points: Iterable[MetricPoint]) -> Receipt:
        """Send points on their way."""
        return await self._emitter.send(
            [Outgoing("metrics", key_of(point), encode(point)) for point in points]
        )

    async def write_last(self, values: Mapping[str, float]) -> None:
        """Replace this worker's last values.

        Raises:
            Unavailable: Redis does not answer.
        """
        await self._last_values.write(values)
