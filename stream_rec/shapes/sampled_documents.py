"""Samples of a topic, decoded, and the settings by which they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from stream_rec.errors import ConfigError, ContractError
from stream_rec.shapes import recognise
from stream_rec.shapes.confluent import Confluent
from stream_rec.shapes.decoding import json_documents, unpacked
from stream_rec.shapes.messages import RawMessage, Registry
from stream_rec.shapes.presets import presets

_CONFLUENT_BYTES = 5


def by_registry(messages: Sequence[RawMessage], registry: Registry) -> tuple[list[Any], dict[str, Any]]:
    """The samples decoded by the schemas that they name; those that are of none are passed over here."""
    reader = Confluent(registry, lambda data: json_documents(unpacked(data)))
    documents: list[Any] = []
    why: ContractError | None = None
    for message in messages:
        try:
            documents += reader.documents(message)
        except ContractError as error:
            why = error
    if not documents:
        raise ConfigError(
            f"no message can be read by its schema: {why}", fix="does registry.url name theirs?"
        )
    return documents, {"framing": "confluent"}


def documents_of(values: Sequence[bytes]) -> tuple[list[Any], dict[str, Any]]:
    """The samples decoded, and the settings by which they are."""
    first = values[0]
    if first[0] == 0 and len(first) > _CONFLUENT_BYTES:
        return [], {"preset": "confluent"}
    documents: list[Any] = []
    for value in values:
        try:
            documents += json_documents(unpacked(value))
        except ContractError:
            continue
    if documents:
        return documents, {}
    try:
        found = [msgspec.msgpack.decode(value) for value in values]
        if all(isinstance(one, dict) for one in found):
            return found, {"format": "msgpack"}
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        line = first.decode().splitlines()[0]
    except (UnicodeDecodeError, IndexError):
        raise ConfigError(
            f"messages that are neither JSON nor text: {ascii(first[:24])[2:-1]}",
            fix="set the shape's format: avro or protobuf with schema_file",
        ) from None
    preset = recognise.of_line(line)
    if preset is None and line.count(",") == len(presets()["csv-lines"].shape["columns"]) - 1:
        preset = "csv-lines"
    header = dict.fromkeys(line.split(","), "")
    preset = preset or recognise.of_object(header)
    if preset is None:
        raise ConfigError(
            f"messages of no form that is known: {line[:60]!a}", fix="set the shape's format and columns"
        )
    return [], {"preset": preset}
