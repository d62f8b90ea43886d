"""What a file is: its preset by its first rows, or how it must be read so that a shape can be guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.blocks import blocks
from stream_rec.offline.datasets.parts import parts
from stream_rec.offline.datasets.shaped_rows import format_of, rows
from stream_rec.settings import ShapeSettings
from stream_rec.shapes import recognise

_SEPARATORS = (",", ";", "\t", "|", "::")
_TEXT = ("csv", "json", "text")
MAX_DOCUMENT_BYTES = 1 << 26
"""Of one JSON document that is read to look what it is."""


class Look(NamedTuple):
    """What a file's first bytes say.

    Attributes:
        preset: its name; None = unknown.
        shape: how to read rows of it, as settings (format, separator).
    """

    preset: str | None
    shape: dict[str, Any]


def look(path: Path) -> Look:
    """Look at the first file that a path stands for.

    Raises:
        ConfigError: it cannot be read.
    """
    with parts(path) as files:
        file = files[0]
        kind = format_of(file, ShapeSettings())
        if kind not in _TEXT:
            return _of_table(file)
        head = _head(file)
        lines = [line for line in re.split(r"\r\n|\n|\r", head) if line.strip()]
        if not lines:
            return Look(None, {})
        if head.lstrip()[:1] in ("{", "[") and (found := _json(file, lines[0])) is not None:
            return Look(recognise.of_object(found), {"format": "json"})
        if by_line := recognise.of_line(lines[0]):
            return Look(by_line, {})
        by_header = _of_header(lines, file)
        return by_header._replace(shape={**by_header.shape, **encoding_of(file)})


def _of_table(path: Path) -> Look:
    first = next((body for read in rows(path, ShapeSettings()) for body in read.bodies), None)
    return Look(recognise.of_object(first) if isinstance(first, Mapping) else None, {})


def _head(path: Path) -> str:
    for data, _ in blocks(path, block_bytes=65_536):
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ConfigError(f"{path} is in UTF-16", fix="save it in UTF-8")
        return data[:262_144].decode("utf-8", "replace")
    return ""


def encoding_of(path: Path) -> dict[str, str]:
    """Settings for a file that is not in UTF-8: a Windows one, as most that are not."""
    for data, _ in blocks(path, block_bytes=1 << 20):
        try:
            data.decode()
        except UnicodeDecodeError:
            return {"encoding": "cp1252"}
        break
    return {}


def _json(path: Path, line: str) -> dict[str, Any] | None:
    """The first object; None if it is no JSON."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            return None
        try:
            found = msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.DecodeError, RecursionError):
            return None
    if isinstance(found, list):
        found = found[0] if found else None
    return found if isinstance(found, dict) else None


def _of_header(lines: list[str], path: Path) -> Look:
    header = lines[0]
    counts = {each: header.count(each) for each in _SEPARATORS}
    alike = {
        each: sum(line.count(each) == counts[each] for line in lines[:20])
        for each in _SEPARATORS
        if counts[each]
    }
    separator = max(alike, key=lambda each: (alike[each], counts[each] * len(each)), default="")
    if not separator:
        raise ConfigError(f"{path} has one column", fix="set format and separator")
    names = [name.strip().strip('"') for name in header.split(separator)]
    shape: dict[str, Any] = {"format": "csv", "separator": "tab" if separator == "\t" else separator}
    if any(re.fullmatch(r"-?\d+(\.\d+)?", name) for name in names):  # a header has names, and no numbers
        shape["columns"] = [f"column_{n}" for n in range(1, len(names) + 1)]
        return Look(None, shape)
    return Look(recognise.of_object(dict.fromkeys(names, "")), shape)
