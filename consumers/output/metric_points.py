"""Metric points as records of the topic `metrics`."""

from __future__ import annotations

from collections.abc import Iterable

from stream_rec.consumers.output.emitter import Outgoing
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import MetricPoint
from stream_rec.schemas.topics import key_of


def point_records(points: Iterable[MetricPoint]) -> list[Outgoing]:
    """The records for `metrics`."""
    return [Outgoing("metrics", key_of(point), encode(point)) for point in points]
