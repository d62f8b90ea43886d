"""The inputs that settings declare, ready to be mapped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from stream_rec.errors import ConfigError
from stream_rec.schemas.topics import short_name
from stream_rec.settings import InputSettings, Settings
from stream_rec.settings.shapes import OUTPUTS
from stream_rec.shapes import nodes
from stream_rec.shapes.decoding import Decoder
from stream_rec.shapes.mapper import Mapper
from stream_rec.shapes.messages import Registry
from stream_rec.shapes.presets import declared, resolve
from stream_rec.shapes.schema_registry import SchemaRegistry

_SWITCH = ", or set merge = true in the shape if its preset has them,"
_PLACE_BYTES = len("/2147483647/9223372036854775807/65535")
"""Of an event id beside the topic's name."""


@dataclass(slots=True)
class Input:
    """One foreign topic, and what has become of its messages since the start.

    Attributes:
        name: in settings.
        topic: its full name.
        begin: where a group without offsets begins: `earliest` or `latest`.
        mapper: of its messages.
        reads_headers: does the mapper look at them?
        n_messages: read.
        records: published, by our topic; an item's removal is one of `items`.
        left_out: messages, or elements of them, that the shape leaves out, by reason.
        other_types: those of them whose event type the shape does not list, by its name; `MAX_NAMED` names.
        parts_left_out: fields of published records that could not be read, by field; only those of the shape.
        dead_letters: messages that could not be read, by reason.
    """

    name: str
    topic: str
    begin: str
    mapper: Mapper
    reads_headers: bool
    n_messages: int = 0
    records: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    other_types: Counter[str] = field(default_factory=Counter)
    parts_left_out: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)


def inputs_of(settings: Settings, registry: Registry | None = None) -> dict[str, Input]:
    """The declared inputs, by topic.

    Args:
        settings: the whole tree.
        registry: of schemas; None = the one of the settings.

    Raises:
        ConfigError: none is declared, a shape cannot be read, or a topic cannot be an input.
    """
    given = settings.bridge.inputs
    if not given:
        raise ConfigError(
            "the bridge has no input",
            fix="declare [bridge.inputs.NAME] with a topic and a shape (docs/bridge.md)",
        )
    found: dict[str, Input] = {}
    for name, one in given.items():
        if one.topic in found:
            raise ConfigError(
                f"bridge.inputs.{name} and {found[one.topic].name} read the same topic",
                fix="declare it once: one shape may make events, items, impressions and merges",
            )
        _check_topic(name, one, settings)
        found[one.topic] = _input(name, one, settings, registry)
    return found


def _check_topic(name: str, one: InputSettings, settings: Settings) -> None:
    bus = settings.bus
    if not settings.bridge.bootstrap and short_name(bus.prefix, one.topic):
        raise ConfigError(
            f"bridge.inputs.{name}: {one.topic} is a topic of ours, and would be read and written without end",
            fix="name a foreign topic, or give ours another bus.prefix",
        )
    needed = len(one.topic) + _PLACE_BYTES
    if needed > settings.ingest.max_id_bytes:
        raise ConfigError(
            f"bridge.inputs.{name}: event ids with the topic's name need {needed} bytes",
            fix=f"set ingest.max_id_bytes to {needed} or more, for the workers, too",
        )


def _input(name: str, one: InputSettings, settings: Settings, registry: Registry | None) -> Input:
    shape = resolve(declared(one.shape, settings.shapes), one.shape)
    made: Mapping[str, Mapping[str, str]] = {kind: getattr(shape, kind) for kind in OUTPUTS}
    for kind in one.to:
        if not made[kind]:
            raise ConfigError(
                f"bridge.inputs.{name}: the shape {one.shape} makes no {kind}",
                fix=f"add [shapes.{one.shape}.{kind}]{_SWITCH * (kind == 'merges')}, or leave it out of `to`",
            )
    if one.to:
        shape = shape.only(*one.to)
    is_framed = shape.framing.startswith("confluent")
    if is_framed and registry is None:
        registry = SchemaRegistry(settings.registry)
    mapper = Mapper(shape, one.shape, Decoder(shape, one.shape, registry))
    paths = [node for output in mapper.outputs for path in output.paths for node in nodes.walk(path)]
    if nodes.Meta("row") in paths:
        raise ConfigError(
            f"bridge.inputs.{name}: the shape {one.shape} takes @row as a time, which a topic has not",
            fix="set ts = '@timestamp' in its shape: the broker's time",
        )
    reads_headers = (
        is_framed or shape.framing == "cloudevents" or any(isinstance(node, nodes.Header) for node in paths)
    )
    return Input(name, one.topic, one.begin, mapper, reads_headers)
