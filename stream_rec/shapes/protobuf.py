"""Protobuf, by descriptors that are known only at run time."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stream_rec.errors import ConfigError, ContractError

Read = Callable[[bytes], Any]
_WELL_KNOWN = ("any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")
_NEEDED = ConfigError("Protobuf needs the package protobuf", fix="pip install 'stream-rec[shapes]'")


def framed_reader(text: str, references: Sequence[tuple[str, str]] = ()) -> Read:
    """How messages of a registry's schema are read: a list of message indices, then the message.

    Args:
        text: FileDescriptorProto, serialised and in base64.
        references: name and text of its imports.

    Raises:
        ContractError: the schema is none.
    """
    try:
        from google.protobuf.descriptor_pb2 import FileDescriptorProto
    except ImportError:
        raise _NEEDED from None
    files = [_file(FileDescriptorProto(), each, name) for name, each in references]
    _, descriptor = _pool([*files, _file(FileDescriptorProto(), text, "")])
    classes: dict[tuple[int, ...], Read] = {}

    def read(data: bytes) -> Any:
        path, at = _indices(data)
        if path not in classes:
            classes[path] = _message(_at(descriptor, path))
        return classes[path](data[at:])

    return read


def file_reader(path: str, message: str, where: str) -> Read:
    """How messages are read whose descriptors are in a file (`protoc --include_imports --descriptor_set_out`).

    Args:
        path: the file.
        message: full name of the message; empty = the first of the last file in it.
        where: of which shape, for errors.

    Raises:
        ConfigError: it cannot be read, or has no such message.
    """
    try:
        from google.protobuf.descriptor_pb2 import FileDescriptorSet
        from google.protobuf.message import DecodeError
    except ImportError:
        raise _NEEDED from None
    try:
        files = list(FileDescriptorSet.FromString(Path(path).read_bytes()).file)
        pool, last = _pool(files)
        found = pool.FindMessageTypeByName(message) if message else _at(last, (0,))
    except (OSError, DecodeError, KeyError, IndexError, TypeError, ContractError) as error:
        problem = f"{where}: cannot read {message or 'a message'} from the descriptors {path!r}: {error}"
        fix = (
            "make them with protoc --include_imports --descriptor_set_out=FILE, and name the message in full"
        )
        raise ConfigError(problem, fix=fix) from None
    return _message(found)


def _file(into: Any, text: str, name: str) -> Any:
    try:
        into.ParseFromString(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, Exception) as error:  # noqa: BLE001 - DecodeError is of each implementation
        raise ContractError("not_protobuf_schema", f"{type(error).__name__}: {error}"[:200]) from None
    if name:
        into.name = name
    elif not into.name:
        into.name = "registered.proto"
    return into


def _pool(files: Sequence[Any]) -> tuple[Any, Any]:
    """A pool with the files, and the last of them."""
    from importlib import import_module

    from google.protobuf.descriptor_pool import DescriptorPool

    pool, known = DescriptorPool(), {each.name for each in files}
    try:
        for name in _WELL_KNOWN:
            if f"google/protobuf/{name}.proto" not in known:
                pool.AddSerializedFile(import_module(f"google.protobuf.{name}_pb2").DESCRIPTOR.serialized_pb)
        for each in files:
            pool.Add(each)
        return pool, pool.FindFileByName(files[-1].name)
    except (TypeError, KeyError, IndexError) as error:
        raise ContractError("not_protobuf_schema", str(error)[:200]) from None


def _at(file: Any, path: Sequence[int]) -> Any:
    """The message of a path of indices: the first number in the file, the next ones inside of the message before."""
    try:
        found = list(file.message_types_by_name.values())[path[0]]
        for index in path[1:]:
            found = found.nested_types[index]
        return found
    except IndexError:
        raise ContractError("not_protobuf", f"the schema has no message {list(path)}") from None


def _indices(data: bytes) -> tuple[tuple[int, ...], int]:
    """The message indices, and where the message begins; a single 0 stands for the first."""
    n, at = _zigzag(data, 0)
    if n == 0:
        return (0,), at
    if not 0 < n <= 16:
        raise ContractError("not_protobuf", f"{n} message indices")
    path = []
    for _ in range(n):
        index, at = _zigzag(data, at)
        path.append(index)
    return tuple(path), at


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 35:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
    raise ContractError("not_protobuf", "the message indices are cut")


def _message(descriptor: Any) -> Read:
    from google.protobuf.message import DecodeError
    from google.protobuf.message_factory import GetMessageClass

    kind, plain = GetMessageClass(descriptor), _Plain()

    def read(data: bytes) -> Any:
        try:
            return plain.of(kind.FromString(data))
        except DecodeError as error:
            raise ContractError("not_protobuf", str(error)[:200]) from None

    return read


class _Plain:
    """Messages as objects: fields by their names in the .proto, enums by name, timestamps as datetimes."""

    def __init__(self) -> None:
        self._fields: dict[str, list[tuple[str, Callable[[Any], Any], bool, Any]]] = {}

    def of(self, message: Any) -> Any:
        descriptor = message.DESCRIPTOR
        if descriptor.full_name == "google.protobuf.Timestamp":
            from datetime import UTC

            return message.ToDatetime(tzinfo=UTC)
        if descriptor.full_name.startswith("google.protobuf.") and descriptor.full_name.endswith("Value"):
            return getattr(message, "value", None)
        fields = self._fields.get(descriptor.full_name)
        if fields is None:
            fields = self._fields[descriptor.full_name] = [self._field(field) for field in descriptor.fields]
        return {
            name: None if has_presence and not message.HasField(name) else read(getattr(message, name))
            for name, read, has_presence, _ in fields
        }

    def _field(self, field: Any) -> tuple[str, Callable[[Any], Any], bool, Any]:
        single = self._single(field)
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            of_value = self._single(entry.fields_by_name["value"])
            return (
                field.name,
                lambda given: {str(key): of_value(each) for key, each in given.items()},
                False,
                field,
            )
        if _is_repeated(field):
            return field.name, lambda given: [single(each) for each in given], False, field
        return field.name, single, field.has_presence, field

    def _single(self, field: Any) -> Callable[[Any], Any]:
        if field.message_type is not None:
            return self.of
        if field.enum_type is not None:
            names = {value.number: value.name for value in field.enum_type.values}
            return lambda given: names.get(given, given)
        return _same


def _is_repeated(field: Any) -> bool:
    found = getattr(field, "is_repeated", None)
    return bool(found) if found is not None else field.label == field.LABEL_REPEATED


def _same(value: Any) -> Any:
    return value
