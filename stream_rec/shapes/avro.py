"""Avro: with a schema of a registry or of a file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stream_rec.errors import ConfigError, ContractError

_SINGLE_OBJECT = b"\xc3\x01"
_HEADER_BYTES = 10
Read = Callable[[bytes], Any]


def reader(text: str, references: Sequence[tuple[str, str]] = ()) -> Read:
    """How bytes of a schema are read. They are refused if they are more than one value of it.

    Args:
        text: the schema, JSON.
        references: name and text of the schemas that it names, in an order in which each knows those that it names.

    Raises:
        ContractError: the schema is none.
    """
    schema = _parsed(text, references)
    from fastavro import schemaless_reader

    def read(data: bytes) -> Any:
        stream = io.BytesIO(data)
        try:
            value = schemaless_reader(stream, schema, None)
        except (EOFError, ValueError, IndexError, KeyError, OverflowError, TypeError) as error:
            raise ContractError("not_avro", f"{type(error).__name__}: {error}"[:200]) from None
        if stream.tell() != len(data):
            raise ContractError(
                "not_avro", f"{len(data) - stream.tell()} bytes are left: it is of another schema"
            )
        return value

    return read


def file_reader(path: str, where: str) -> Read:
    """How messages are read whose schema is in a file: bare, or in Avro's single-object encoding.

    Raises:
        ConfigError: the file cannot be read, or fastavro is not installed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        read = reader(text)
        from fastavro.schema import fingerprint, to_parsing_canonical_form

        expected = fingerprint(to_parsing_canonical_form(json.loads(text)), "CRC-64-AVRO")
    except (OSError, ValueError, ContractError) as error:
        raise ConfigError(
            f"{where}: cannot read the Avro schema {path!r}: {error}", fix="name an .avsc file"
        ) from None

    def framed(data: bytes) -> Any:
        if not data.startswith(_SINGLE_OBJECT):
            return read(data)
        given = data[2:_HEADER_BYTES].hex()
        if given != expected:
            raise ContractError(
                "other_schema", f"its schema has the fingerprint {given}, {path} has {expected}"
            )
        return read(data[_HEADER_BYTES:])

    return framed


def _parsed(text: str, references: Sequence[tuple[str, str]]) -> Any:
    try:
        from fastavro import parse_schema
        from fastavro.schema import SchemaParseException, UnknownType
    except ImportError:
        raise ConfigError("Avro needs the package fastavro", fix="pip install 'stream-rec[shapes]'") from None
    known: dict[str, Any] = {}
    try:
        for _, reference in references:
            parse_schema(json.loads(reference), named_schemas=known)
        return parse_schema(json.loads(text), named_schemas=known)
    except (SchemaParseException, UnknownType, ValueError) as error:
        raise ContractError("not_avro_schema", str(error)[:200]) from None
