"""The columns of files that are read by a shape, against those that its paths name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from stream_rec import logs
from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.recognised import NAMED_SEPARATORS, told_separator
from stream_rec.offline.datasets.shaped_rows import format_of, header, partition, rows, separator_of
from stream_rec.settings import ShapeSettings
from stream_rec.shapes import nodes
from stream_rec.shapes.nodes import Member, Node, Root
from stream_rec.shapes.presence import Absent, Name, absent_from, listed, own_paths
from stream_rec.shapes.presets import resolve

MAX_JSON_BYTES = 64 << 20
"""Of a JSON document whose objects are looked at before it is read."""


@dataclass(slots=True)
class ColumnCheck:
    """Holds a shape against the columns of the files that it is to read, once.

    Attributes:
        shape: resolved.
        name: of the shape.
        own: paths that it names itself (`presence.own_paths`).
        is_table: were columns known, and the paths held against them?
    """

    shape: ShapeSettings
    name: str
    own: Mapping[str, Node]
    is_table: bool = False
    _is_done: bool = field(init=False, default=False)

    @classmethod
    def of(cls, declared: ShapeSettings, name: str) -> ColumnCheck:
        """Of a shape as declared.

        Raises:
            ConfigError: as `presets.resolve`, or a path cannot be read.
        """
        return cls(resolve(declared, name), name, own_paths(declared, name))

    def check(self, files: Sequence[Path]) -> None:
        """What an alternative of a `||` lacks is told in the log. Files that are no tables tell nothing.

        Raises:
            ConfigError: a path names a column that no file has, or the columns are parted by another separator.
        """
        if self._is_done or self.shape.framing != "none":
            return
        self._is_done = True
        wanted = _columns(self.own)
        there: dict[str, None] = {}
        for file in files:
            columns = columns_of(file, self.shape)
            if columns is None:
                self.is_table = False
                return
            there |= dict.fromkeys((*columns, *partition(file)))
            _check_separator(file, self.shape, there)
            self.is_table = True
            if all(node.name in there for node in wanted):
                return
        missing: dict[Name, Mapping[str, None]] = {node: there for node in wanted if node.name not in there}
        absent = absent_from(self.own, missing)
        if lacking := [one for one in absent if not one.is_excused]:
            raise self._refused(lacking, there)
        for one in absent:
            said = f"shapes.{self.name}.{one.field}: there is no column {one.path}{one.meant}"
            logs.get("import").warning(f"{said}; the path's other is taken")

    def _refused(self, lacking: Sequence[Absent], there: Mapping[str, None]) -> ConfigError:
        what = "; ".join(
            f"shapes.{self.name}.{one.field}: there is no column {one.path}{one.meant}" for one in lacking
        )
        return ConfigError(what, fix=f"correct the path; there are {listed(there)}")


def _columns(paths: Mapping[str, Node]) -> list[Member]:
    found = (node for path in paths.values() for node in nodes.walk(path))
    return [node for node in found if isinstance(node, Member) and isinstance(node.base, Root)]


def columns_of(file: Path, shape: ShapeSettings) -> tuple[str, ...] | None:
    """The names of a table's columns; None = it is none: each record has names of its own.

    Raises:
        ConfigError: it cannot be read.
    """
    kind = format_of(file, shape)
    if kind == "csv":
        return header(file, shape)
    if kind == "parquet":
        try:
            return tuple(pl.read_parquet_schema(file))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise ConfigError(f"cannot read {file}: {error}", fix="give an undamaged file") from error
    if kind == "json" and not (_is_document(file) and file.stat().st_size <= MAX_JSON_BYTES):
        return None
    if kind not in ("json", "xlsx", "avro"):
        return None
    return _alike(body for read in rows(file, shape) for body in read.bodies[: None if kind == "json" else 1])


def _is_document(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(64).lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"["


def _alike(bodies: Iterable[object]) -> tuple[str, ...] | None:
    """The names that objects have, if all have the same."""
    names: tuple[str, ...] | None = None
    for body in bodies:
        if not isinstance(body, Mapping):
            return None
        if names is None:
            names = tuple(body)
        elif body.keys() != set(names):
            return None
    return names


def _check_separator(file: Path, shape: ShapeSettings, there: Mapping[str, None]) -> None:
    """Refuse a file of a form that only another separator makes a table with the shape's columns."""
    if format_of(file, shape) != "csv":
        return
    wanted = {node.name for node in _columns(own_paths(shape, ""))}
    given = separator_of(file, shape)
    try:
        told = told_separator(file)
    except ConfigError:
        return
    if told == given:
        return
    by_told = header(file, shape.model_copy(update={"columns": [], "separator": told}))
    by_given = header(file, shape.model_copy(update={"columns": []}))
    if shape.columns:
        is_other = len(by_told) == len(shape.columns) != len(by_given)
    else:
        is_other = len(wanted & set(by_told)) > len(wanted & set(there))
    if is_other:
        shown = NAMED_SEPARATORS.get(told, repr(told))
        mine = NAMED_SEPARATORS.get(given, repr(given))
        raise ConfigError(
            f"{file.name}: its columns are not separated by {mine}: the separator looks like {shown}",
            fix=f'separator = "{"tab" if told == chr(9) else told}" in the shape',
        )
