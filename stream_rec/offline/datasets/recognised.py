"""What a file is: its preset by its first rows, or how it must be read so that a shape can be guessed."""

from __future__ import annotations

import ast
import csv
import glob
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from itertools import islice
from os.path import commonprefix
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.blocks import blocks
from stream_rec.offline.datasets.parts import own_name, parts
from stream_rec.offline.datasets.shaped_rows import format_of, rows
from stream_rec.settings import ShapeSettings
from stream_rec.shapes import recognise
from stream_rec.shapes.guess import guess
from stream_rec.shapes.presets import OWN, resolve

_SEPARATORS = (",", ";", "\t", "|", "::")
NAMED_SEPARATORS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}
"""How `--separator` is told each."""
_PACKED = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
}
_SEEN = ("format", "separator", "encoding", "files")
"""What a file may have otherwise than its preset says, and is seen."""
MAX_LOOKED = 64
"""Files of a folder or archive whose form is compared."""
_VALUE = re.compile(r"-?\d+(\.\d+)?|\d{4}-\d\d-\d\d([T ].*)?")
_TEXT = ("csv", "json", "text")
MAX_DOCUMENT_BYTES = 1 << 26
"""Of one JSON document that is read to look what it is."""


class Look(NamedTuple):
    """What a file's first bytes say.

    Attributes:
        preset: its name; None = unknown.
        shape: how to read rows of it, as settings (format, separator).
        columns: their names, or texts that stand for them: files of one log have the same.
        remark: what the reader must know of it; empty = nothing.
    """

    preset: str | None
    shape: dict[str, Any]
    columns: tuple[str, ...] = ()
    remark: str = ""

    def settings(self) -> dict[str, Any]:
        """As a shape: how rows are read, or the preset with what is otherwise in this file."""
        if not self.preset:
            return self.shape
        usual = resolve(ShapeSettings(preset=self.preset), self.preset)
        own = {
            name: value
            for name, value in self.shape.items()
            if name in _SEEN and getattr(usual, name) not in (value, "auto")
        }
        return {"preset": self.preset, **own}


def look(path: Path) -> Look:
    """Look at the files that a path stands for: all of one form, or some that are a log among others that are none.

    Raises:
        ConfigError: they cannot be read, or are logs of several shapes.
    """
    with parts(path) as files:
        if len(files) == 1:
            return _look_at(files[0])
        found: dict[tuple[str | None, tuple[str, ...]], list[tuple[Path, Look]]] = {}
        problem: ConfigError | None = None
        for file in files[:MAX_LOOKED]:
            try:
                one = _look_at(file)
            except ConfigError as error:
                problem, one = error, Look(None, {}, ("", "unreadable"))
            found.setdefault((one.preset, one.columns), []).append((file, one))
        if len(found) == 1:
            if problem:
                raise problem
            return found.popitem()[1][0][1]
        logs = _logs(found.values())
        if len(logs) != 1:
            names = ", ".join(own_name(each[0][0], path) for each in (logs or found.values()))
            what = "logs of several shapes" if logs else "several files, and none looks like a log"
            raise ConfigError(
                f"{path} holds {what}: {names[:300]}", fix="name one of the files, or set the shape's `files`"
            )
        return _among(logs[0], found.values(), files, path)


def _logs(kinds: Iterable[list[tuple[Path, Look]]]) -> list[list[tuple[Path, Look]]]:
    """Which kinds of files are logs: those of a data set that is known, else of our own fields, else by columns."""
    by_preset: dict[str | None, list[tuple[Path, Look]]] = {}
    for kind in kinds:
        by_preset.setdefault(kind[0][1].preset, []).extend(kind)
    if known := [each for preset, each in by_preset.items() if preset not in (None, OWN)]:
        return known
    if OWN in by_preset:
        return [by_preset[OWN]]
    return [kind for kind in kinds if _may_be_log(*kind[0])]


def _may_be_log(file: Path, found: Look) -> bool:
    try:
        shape = ShapeSettings.model_validate(found.shape)
        first = [body for read in islice(rows(file, shape), 1) for body in read.bodies[:20]]
        guess([body for body in first if isinstance(body, Mapping)], {"ts": "@row"})
    except ConfigError:
        return False
    return True


def _is_rest(found: Look, other: Look) -> bool:
    """Has the other no header, and as many columns?"""
    return "columns" in other.shape and len(other.columns) == len(found.columns)


def _among(
    log: list[tuple[Path, Look]],
    kinds: Iterable[list[tuple[Path, Look]]],
    files: Sequence[Path],
    path: Path,
) -> Look:
    """The look of a log's files, with the pattern that picks them out."""
    wanted = {own_name(file, path) for file, _ in log}
    others = [name for file in files if (name := own_name(file, path)) not in wanted]
    pattern = glob.escape(min(wanted))
    if len(wanted) > 1:
        start = commonprefix(list(wanted))  # noqa: RUF071 - of names, and not of paths
        end = commonprefix([name[::-1] for name in wanted])[::-1]  # noqa: RUF071
        patterns = [f"{glob.escape(start)}*", f"*{glob.escape(end)}"]
        pattern = next((one for one in patterns if not any(fnmatch(name, one) for name in others)), "")
    if not pattern:
        names = ", ".join(sorted(wanted))
        raise ConfigError(f"{path} holds other files beside {names[:300]}", fix="set the shape's `files`")
    found = log[0][1]
    if found.columns and any(_is_rest(found, one) for kind in kinds for _, one in kind):
        raise ConfigError(
            f"{path}: some files have no header, and as many columns as {min(wanted)}",
            fix="if they are parts of one file, join them (cat); else name one, or set the shape's `files`",
        )
    remark = f"read is {pattern}; of another form: {', '.join(others)[:200]}"
    return found._replace(shape={**found.shape, "files": pattern}, remark=remark)


def _look_at(file: Path) -> Look:
    kind = format_of(file, ShapeSettings())
    if kind not in _TEXT:
        return _of_table(file, kind)
    head = _head(file)
    lines = [line for line in re.split(r"\r\n|\n|\r", head) if line.strip()]
    if not lines:
        return Look(None, {})
    if head.lstrip()[:1] in ("{", "[") and (found := _json(file, lines[0])) is not None:
        return Look(recognise.of_object(found), {"format": "json"}, ("json",))
    if by_line := recognise.of_line(lines[0]):
        return Look(by_line, {})
    if head.lstrip()[:1] == "{" and (literal := _python(lines[0])) is not None:
        return Look(recognise.of_object(literal), {"format": "python"}, ("python",))
    by_header = _of_header(lines, file)
    return by_header._replace(shape={**by_header.shape, **encoding_of(file)})


def _of_table(path: Path, kind: str) -> Look:
    first = next((body for read in rows(path, ShapeSettings()) for body in read.bodies), None)
    if not isinstance(first, Mapping):
        return Look(None, {})
    return Look(recognise.of_object(first), {"format": kind}, tuple(first))


def _head(path: Path) -> str:
    for data, _ in blocks(path, block_bytes=65_536):
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ConfigError(f"{path} is in UTF-16", fix="save it in UTF-8")
        if packed := next((name for magic, name in _PACKED.items() if data.startswith(magic)), ""):
            raise ConfigError(f"{path} is packed by {packed}", fix="unpack it, or pack it by gzip or zip")
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


def told_separator(path: Path, usual: str = "") -> str:
    """What stands between the columns of a CSV file, by its header and the first rows.

    It is the one by which most of the first 20 rows have as many cells as the header, and of several the one that makes
    most columns. A file of one column has none, and is read by a comma.

    Args:
        path: the file.
        usual: taken wherever the header has it; empty = none is.

    Raises:
        ConfigError: it may be either of two; or the file cannot be read.
    """
    try:
        head = _head(path)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error}", fix="name a readable file") from error
    fits: dict[str, tuple[int, int]] = {}
    for separator in NAMED_SEPARATORS:
        try:
            rows = [row for row in islice(csv.reader(io.StringIO(head), delimiter=separator), 20) if row]
        except csv.Error:
            continue
        if rows and len(rows[0]) > 1:
            fits[separator] = (sum(len(row) == len(rows[0]) for row in rows), len(rows[0]))
    if usual in fits:
        return usual
    best = [separator for separator, fit in fits.items() if fit == max(fits.values())]
    if len(best) > 1:
        ways = " or ".join(f"--separator {NAMED_SEPARATORS[each]}" for each in best)
        raise ConfigError(f"{path}: its columns may be separated in {len(best)} ways", fix=ways)
    return best[0] if best else ","


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


def _python(line: str) -> dict[str, Any] | None:
    try:
        found = ast.literal_eval(line)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
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
        raise ConfigError(
            f"{path}: its first line, {header[:60]!a}, is one column",
            fix="delete what stands above the header, or set format and separator",
        )
    names = [name.strip().strip('"') for name in header.split(separator)]
    shape: dict[str, Any] = {"format": "csv", "separator": "tab" if separator == "\t" else separator}
    if any(_VALUE.fullmatch(name) for name in names):  # a header has names, and no numbers or dates
        shape["columns"] = [f"column_{n}" for n in range(1, len(names) + 1)]
        return Look(None, shape, tuple(shape["columns"]))
    return Look(recognise.of_object(dict.fromkeys(names, "")), shape, tuple(names))
