"""Can the bridge run, and how far is it?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stream_rec.bus.foreign import group_of, source_bus
from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.sample import sample
from stream_rec.bus.topics import partition_counts
from stream_rec.doctor.finding import Finding
from stream_rec.settings import Settings
from stream_rec.shapes.listed_types import ListedTypes, types_seen
from stream_rec.shapes.messages import RawMessage
from stream_rec.shapes.several_types import numbered

if TYPE_CHECKING:
    from stream_rec.consumers.bridge.inputs import Input

_SAMPLE = 1_000
"""Newest messages of a topic that are looked at."""
_MUCH = 0.5
"""Whoever leaves out a larger share of them has probably not meant it."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Shapes, registry, topics, lag, event types.

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
    for topic in there:
        yield from _types(settings, inputs[topic])


def _types(settings: Settings, one: Input) -> Iterator[Finding]:
    """Of the newest messages: event types that the shape leaves out, and entries of its `types` that do not occur."""
    shape, name = one.mapper.shape, settings.bridge.inputs[one.name].shape
    own = settings.shapes[name].types if name in settings.shapes else {}
    if not own and not (shape.types and shape.other_types == "leave_out"):
        return
    messages = [RawMessage(*each) for each in sample(source_bus(settings), one.topic, _SAMPLE)]
    listed = ListedTypes.of(shape, own, types_seen(one.mapper, messages))
    n_out = sum(listed.left_out.values())
    said = []
    if listed.left_out:
        said.append(
            f"left out of {one.topic}: {numbered(listed.left_out)}, of the newest {listed.n:,} events"
        )
    if listed.misspelt:
        said.append(f"shapes.{name}.types lists what has not come to {one.topic}: {listed.misspelt}")
    if listed.misspelt or n_out > _MUCH * listed.n:
        fix = f"correct [shapes.{name}.types], or add what is left out (docs/your-data.md)"
        yield Finding("warn", "; ".join(said), fix)
        return
    if listed.absent and listed.n:
        said.append(f"not among the newest {listed.n:,} events of {one.topic}: {', '.join(listed.absent)}")
    if said:
        yield Finding("ok", "; ".join(said))
