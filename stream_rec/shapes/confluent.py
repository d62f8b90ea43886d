"""Confluent's wire format: a schema's id, then the value; the schema is asked for once."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from stream_rec.errors import ContractError
from stream_rec.shapes import avro, protobuf
from stream_rec.shapes.messages import RawMessage, Registry

MAX_SCHEMAS = 1000
"""Kept; the longest unused is asked for again."""
_ID_BYTES = 5
_GUID_BYTES = 17
_HEADER = "__value_schema_id"


def is_framed(message: RawMessage) -> bool:
    """Does it look as if it named a schema?"""
    value = message.value or b""
    return _HEADER in message.headers or (len(value) > _ID_BYTES and value[0] == 0)


class Confluent:
    """Reads values by the schema that each names.

    Args:
        registry: of schemas.
        of_json: documents of a value whose schema is a JSON Schema.
    """

    def __init__(self, registry: Registry, of_json: Callable[[bytes], list[Any]]) -> None:
        self._registry = registry
        self._of_json = of_json
        self._readers: OrderedDict[int | str, Callable[[bytes], list[Any]]] = OrderedDict()

    def documents(self, message: RawMessage) -> list[Any]:
        """What is in a message.

        Raises:
            ContractError: it names no schema, or is not of it.
            Unavailable: the registry does not answer.
        """
        schema_id, data = self._schema_of(message)
        read = self._readers.get(schema_id)
        if read is None:
            read = self._readers[schema_id] = self._reader(schema_id)
            if len(self._readers) > MAX_SCHEMAS:
                self._readers.popitem(last=False)
        else:
            self._readers.move_to_end(schema_id)
        return read(data)

    def _schema_of(self, message: RawMessage) -> tuple[int | str, bytes]:
        value, header = message.value or b"", message.headers.get(_HEADER)
        if header is not None:
            if len(header) == _GUID_BYTES and header[0] == 1:
                return str(uuid.UUID(bytes=bytes(header[1:]))), value
            if len(header) == _ID_BYTES and header[0] == 0:
                return int.from_bytes(header[1:], "big"), value
        if len(value) >= _ID_BYTES and value[0] == 0:
            return int.from_bytes(value[1:_ID_BYTES], "big"), value[_ID_BYTES:]
        if len(value) >= _GUID_BYTES and value[0] == 1:
            return str(uuid.UUID(bytes=value[1:_GUID_BYTES])), value[_GUID_BYTES:]
        raise ContractError("not_confluent", f"no schema id: {ascii(value[:20])[2:-1]}")

    def _reader(self, schema_id: int | str) -> Callable[[bytes], list[Any]]:
        found = self._registry.schema(schema_id)
        if found.kind == "JSON":
            return self._of_json
        read = avro.reader if found.kind == "AVRO" else protobuf.framed_reader
        single = read(found.text, found.references)
        return lambda data: [single(data)]
