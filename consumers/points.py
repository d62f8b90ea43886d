"""Metric points as records of the topic `metrics`."""

from __future__ import annotations

from collections.abc import Iterable

from consumers.emit import Outgoing
from schemas.codec import encode
from schemas.records import MetricPoint
from schemas.topics import key_of


def point_records(points: Iterable[MetricPoint]) -> list[Outgoing]:
    """The records for `metrics`."""
    return [Outgoing("metrics", key_of(point), encode(point)) for point in points]
