"""The topic `control`, read to its end."""

from __future__ import annotations

from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stretches import read_through
from stream_rec.schemas.decisions import Decision, decode_control
from stream_rec.schemas.records import TopicName
from stream_rec.settings import BusSettings, IngestSettings

TOPIC: TopicName = "control"


def read_decisions(bus: BusSettings, rules: IngestSettings) -> list[Decision]:
    """All good decisions that the log still has, in its order, overruled ones included.

    Raises:
        ConfigError: the topic is missing, or the broker refuses us.
        Unavailable: the broker does not answer.
    """
    found: list[Decision] = []
    for batch in read_through(bus, OffsetReader(bus).bounds([TOPIC])):
        found += decode_control(batch, batch.span(), rules).batch.decisions
    return found


def last_of_each(decisions: list[Decision]) -> dict[tuple[str, str], Decision]:
    """By kind and name, the decisions that are in force."""
    last = {(each.kind, each.name): each for each in decisions}
    return {key: each for key, each in last.items() if each.body is not None}
