"""Can the bridge run, and how far is it?"""

from __future__ import annotations

from collections.abc import Iterator

from stream_rec.bus.foreign import group_of, source_bus
from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.topics import partition_counts
from stream_rec.doctor.finding import Finding
from stream_rec.settings import Settings


def examine(settings: Settings) -> Iterator[Finding]:
    """Shapes, registry, topics, lag.

    Raises:
        ConfigError: an input or a shape is wrong, or the registry refuses us.
        Unavailable: Kafka or the registry does not answer.
    """
    if not settings.bridge.inputs:
        yield Finding("ok", "no foreign topic is declared in bridge.inputs")
        return
    from stream_rec.consumers.bridge.inputs import inputs_of
    from stream_rec.shapes.schema_registry import SchemaRegistry

    inputs, bus, group = inputs_of(settings), source_bus(settings), group_of(settings)
    if any(one.mapper.shape.framing.startswith("confluent") for one in inputs.values()):
        SchemaRegistry(settings.registry).ping()
        yield Finding("ok", "the schema registry answers")
    there = partition_counts(bus, list(inputs))
    for topic, one in inputs.items():
        if topic not in there:
            what = f"Kafka at {bus.bootstrap} has no topic {topic}: a bridge would not start"
            yield Finding("fail", what, f"create it, or correct bridge.inputs.{one.name}.topic")
    if there:
        lines = OffsetReader(bus, group).lag(list(there))
        text = f"foreign topics: {len(there)}, {sum(at.lag for at in lines):,} messages behind in the group {group}"
        if all(at.committed is None for at in lines):
            text = f"{text}, which has read none of them yet"
            yield Finding(
                "warn",
                text,
                "start a worker that bridges, or `stream-rec bridge`",
                "stream-rec worker --bridge",
            )
        else:
            yield Finding("ok", text)
