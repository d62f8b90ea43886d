"""The topic `metrics`, read to its end: what the workers wrote down, not what a poll happened to see."""

from __future__ import annotations

import msgspec

from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stretches import read_through
from stream_rec.schemas.records import MetricPoint
from stream_rec.settings import BusSettings

_decode = msgspec.json.Decoder(MetricPoint).decode


def read_points(bus: BusSettings) -> list[MetricPoint]:
    """Every metric point there is, in log order.

    Raises:
        Unavailable: the broker gave nothing for `bus.admin_timeout_seconds`.
    """
    bounds = OffsetReader(bus).bounds(["metrics"])
    return [
        _decode(value) for batch in read_through(bus, bounds) for value in batch.values if value is not None
    ]
