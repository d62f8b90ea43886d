"""The bytes of a message as the objects that are in it."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import msgspec

from stream_rec.errors import ConfigError, ContractError
from stream_rec.settings.shapes import ShapeSettings
from stream_rec.shapes import avro, protobuf
from stream_rec.shapes.confluent import Confluent
from stream_rec.shapes.messages import RawMessage, Registry
from stream_rec.shapes.values import text_of

REGISTRY_LINES = ("[registry]", 'url = "https://HOST:8081"')
"""What names a schema registry, for whoever has to."""
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
"""Of a message in gzip."""


class Decoder:
    """Decodes by a shape's format and framing.

    Args:
        shape: resolved.
        name: of the shape, for errors.
        registry: of schemas, where the framing is `confluent`.

    Raises:
        ConfigError: the format is none of messages, or needs what is not given.
    """

    def __init__(self, shape: ShapeSettings, name: str, registry: Registry | None) -> None:
        self._read = self._reader(shape, name, registry)

    def documents(self, message: RawMessage) -> list[Any]:
        """What is in a message; a list of objects, or several lines of JSON, are several.

        Raises:
            ContractError: it cannot be decoded.
            Unavailable: the registry does not answer.
        """
        return self._read(message)

    def _reader(
        self, shape: ShapeSettings, name: str, registry: Registry | None
    ) -> Callable[[RawMessage], list[Any]]:
        if shape.framing.startswith("confluent"):
            if registry is None:
                raise ConfigError(
                    f"shapes.{name}: the framing `confluent` needs a schema registry",
                    fix=f"set its address: {REGISTRY_LINES[0]} {REGISTRY_LINES[1]}",
                )
            return Confluent(registry, lambda data: json_documents(unpacked(data))).documents
        match shape.format:
            case "auto" | "json":
                return lambda message: json_documents(unpacked(message.value or b""))
            case "msgpack":
                return _msgpack
            case "avro":
                avro_read = avro.file_reader(shape.schema_file, f"shapes.{name}")
                return lambda message: [avro_read(message.value or b"")]
            case "protobuf":
                read = protobuf.file_reader(shape.schema_file, shape.schema_message, f"shapes.{name}")
                return lambda message: [read(message.value or b"")]
            case "csv":
                return lambda message: csv_lines(text_of(message.value), shape)
            case "text":
                return lambda _message: [{}]
            case _:
                raise ConfigError(
                    f"shapes.{name}: messages are not of format {shape.format}", fix="set another format"
                )


def unpacked(value: bytes) -> bytes:
    """A value without gzip and byte order mark.

    Raises:
        ContractError: it is damaged, or too large.
    """
    if value.startswith(_GZIP):
        try:
            unzip = zlib.decompressobj(wbits=31)
            value = unzip.decompress(value, MAX_UNPACKED_BYTES)
        except (zlib.error, gzip.BadGzipFile) as error:
            raise ContractError("not_gzip", str(error)) from None
        if not unzip.eof:
            raise ContractError("not_gzip", "it is cut, or too large")
    return value.removeprefix(_BOM)


def json_documents(value: bytes) -> list[Any]:
    """The objects of a text of JSON: one, a list of them, one a line, or one in a text of its own.

    Raises:
        ContractError: `not_json`, or `wrong_type` if it holds no object.
    """
    try:
        found = msgspec.json.decode(value)
        if isinstance(found, str):  # JSON in JSON
            found = msgspec.json.decode(found)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        lines = [line for line in value.split(b"\n") if line.strip()]
        if len(lines) < 2:
            raise ContractError("not_json", f"{ascii(str(error))[1:-1]}: {ascii(value[:40])[2:-1]}") from None
        return [each for line in lines for each in json_documents(line)]
    documents = found if isinstance(found, list) else [found]
    if any(not isinstance(each, dict) for each in documents):
        raise ContractError("wrong_type", f"no object: {ascii(found)[:60]}")
    return documents


def csv_lines(text: str | None, shape: ShapeSettings) -> list[Any]:
    """The rows of a message of CSV, each by the names of its columns: the shape's, else those of its first line.

    Raises:
        ContractError: it is no text, or a row has another number of columns.
    """
    if text is None:
        raise ContractError("not_csv", "it is no UTF-8")
    separator = "\t" if shape.separator == "tab" else shape.separator
    rows = [_cells(line, separator, shape.quoting) for line in text.splitlines() if line.strip()]
    names = list(shape.columns) or (rows.pop(0) if rows else [])
    for row in rows:
        if len(row) != len(names):
            raise ContractError("not_csv", f"{len(row)} columns, and not {len(names)}: {ascii(row)[:60]}")
    if not rows:
        raise ContractError("not_csv", "no row")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _cells(line: str, separator: str, quoting: bool) -> list[str]:
    """A line's columns; a quote that is no CSV's is text."""
    if quoting and '"' in line and len(separator) == 1:
        try:
            [cells] = csv.reader([line], delimiter=separator, strict=True)
            return [cell.strip() for cell in cells]
        except (csv.Error, ValueError):
            pass
    return [cell.strip() for cell in line.split(separator)]


def _msgpack(message: RawMessage) -> list[Any]:
    try:
        found = msgspec.msgpack.decode(message.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError("not_msgpack", ascii(str(error))[1:-1]) from None
    return found if isinstance(found, list) else [found]
