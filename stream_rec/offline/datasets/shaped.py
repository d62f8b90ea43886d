"""A log of other people, read by a shape: rows in, the one form out, and one line that says what was read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from stream_rec import logs
from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.faults import Faults
from stream_rec.offline.datasets.files import Beside, Chunk
from stream_rec.offline.datasets.parts import parts
from stream_rec.offline.datasets.rows import LOG_SCHEMA
from stream_rec.offline.datasets.shaped_columns import ColumnCheck
from stream_rec.offline.datasets.shaped_rows import rows
from stream_rec.offline.datasets.values import UNIT_NAMES
from stream_rec.schemas.records import Impression, Interaction
from stream_rec.settings import ShapeSettings
from stream_rec.shapes.mapper import Mapper
from stream_rec.shapes.messages import RawMessage, Refused, Unread
from stream_rec.shapes.presence import Presence

_HEAD_BYTES = 1_048_576
WORDS = {
    "missing_field": "has no {0}",
    "null_word": "{0} stands for nobody",
    "wrong_type": "{0} cannot be read",
    "ts_out_of_range": "the time is out of range",
    "not_kept": "left out by `keep`",
    "other_type": "of an event type that `types` does not list",
    "deleted": "a deleted row",
    "tombstone": "empty",
    "columns": "has another number of columns",
    "not_json": "is no JSON",
}
"""By reason of `Refused`."""
_HINTS = {
    "missing_field": "name the field's path in [shapes.NAME.events]",
    "ts_out_of_range": "set the shape's `unit`, or `earliest`",
    "columns": "is the separator right, and quoting?",
    "null_word": "if users or items are called so, set the shape's `nobody` or `null`: nobody = ['-1'] keeps a user 0",
}


@dataclass(frozen=True, slots=True)
class ShapedSource:
    """A file, folder, pattern or zip that is read by a shape. A `Source`.

    Attributes:
        path: where it is.
        shape: resolved.
        shape_name: for people.
        columns: holds the shape against the columns of its files.
    """

    path: Path
    shape: ShapeSettings
    shape_name: str
    columns: ColumnCheck = field(repr=False, compare=False)
    _mapper: Mapper = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # A merge is a decision about now: a log that is read again says who was who then.
        read = self.shape.only("events", "items", "impressions")
        object.__setattr__(self, "_mapper", Mapper(read, self.shape_name))
        if not self.shape.events:
            raise ConfigError(
                f"shapes.{self.shape_name} makes no interactions", fix="add [shapes.NAME.events]"
            )

    @classmethod
    def of(cls, path: Path, shape: ShapeSettings, name: str) -> ShapedSource:
        """By a shape as declared.

        Raises:
            ConfigError: as `presets.resolve` and `Mapper`.
        """
        columns = ColumnCheck.of(shape, name)
        return cls(path, columns.shape, name, columns)

    @property
    def name(self) -> str:
        """The path's last part."""
        return self.path.name

    @property
    def identity(self) -> str:
        """Of the files' paths, sizes, times of change and first MiB, and the shape."""
        digest = hashlib.sha256(self.shape.model_dump_json().encode())
        found = (
            sorted(each for each in self.path.rglob("*") if each.is_file())
            if self.path.is_dir()
            else [self.path]
        )
        for each in found:
            if each.exists():
                stat = each.stat()
                digest.update(repr((str(each.resolve()), stat.st_size, stat.st_mtime_ns)).encode())
                with each.open("rb") as file:
                    digest.update(file.read(_HEAD_BYTES))
        return digest.hexdigest()

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The events from position `start` on; at the end a line that says what was read from what.

        Positions count the events, and not the rows: a row may hold several, or none.

        Raises:
            ConfigError: a file cannot be read, or a path names no column of a table.
        """
        first, row, before, tally = 0, 0, 0.0, _Tally()
        presence = Presence(self.columns.own, self.shape.framing)
        with parts(self.path, self.shape.files) as files:
            self.columns.check(files)
            if self.columns.is_table:
                presence.leave_columns()
            for n, file in enumerate(files):
                for read in rows(file, self.shape):
                    found, beside, faults = self._mapped(read.bodies, row, first, tally)
                    for what, count in read.notes.items():
                        faults.add(what, file.name, n=count)
                    for at, body in enumerate(read.bodies, start=row) if presence.is_looking else ():
                        presence.look(body, RawMessage(b"", offset=at))
                    row += len(read.bodies)
                    fraction = (n + read.fraction) / len(files)
                    skip = min(max(0, start - first), len(found))
                    beside = [one for one in beside if one.position >= start]
                    if skip < len(found) or beside or faults.causes:
                        yield Chunk(first + skip, _frame(found[skip:]), fraction, before, faults, beside)
                    first, before = first + len(found), fraction
        logs.get("import").info(self._summary(tally), log=self.name)
        for said in presence.told():
            logs.get("import").warning(said, log=self.name)

    def _mapped(
        self, bodies: list[Any], row: int, first: int, tally: _Tally
    ) -> tuple[list[Interaction], list[Beside], Faults]:
        """What rows become: events, the first of them at a position, and what stands beside them."""
        found: list[Interaction] = []
        beside: list[Beside] = []
        faults = Faults()
        of_object, is_text = self._mapper.of_object, self.shape.format == "text"
        for at, body in enumerate(bodies, start=row):
            if isinstance(body, Refused):
                mapped = [body]
            elif is_text:
                mapped = of_object({}, RawMessage(body.encode(), offset=at))  # type: ignore[assignment]
            else:
                mapped = of_object(body, RawMessage(b"", offset=at))  # type: ignore[assignment]
            at_row = first + len(found)
            for one in mapped:
                if isinstance(one, Interaction):
                    found.append(one)
                elif isinstance(one, Refused):
                    what = _words(one)
                    tally.left_out[what] += 1
                    faults.add(what, f"row {at + 1}: {one.detail}", _HINTS.get(one.reason, ""))
                elif isinstance(one, Unread):
                    what = f"{one.field} cannot be read and was left out"
                    faults.add(what, f"row {at + 1}: {one.detail}")
                    tally.unread[one.field] += 1
                else:
                    beside.append(Beside(at_row, one))
                    tally.beside["impressions" if isinstance(one, Impression) else "items"] += 1
        tally.n_rows += len(bodies)
        tally.n_events += len(found)
        return found, beside, faults

    def _summary(self, tally: _Tally) -> str:
        fields = ", ".join(f"{name} = {path}" for name, path in self.shape.events.items())
        units = " and ".join(UNIT_NAMES[unit] for unit in self._mapper.units)  # type: ignore[index]
        unit = (
            f", times by their size as {units}"
            if units
            else f", times as {self.shape.unit}" * (self.shape.unit != "auto")
        )
        left = ", ".join(f"{n:,} {what}" for what, n in tally.left_out.most_common(10))
        unread = "".join(f"; {n:,} without {name}" for name, n in tally.unread.most_common(10))
        beside = "".join(f", {n:,} {name}" for name, n in sorted(tally.beside.items()))
        return (
            f"{tally.n_events:,} events{beside} of {tally.n_rows:,} rows, by shape {self.shape_name} ({fields}{unit})"
            f"; left out: {left or 'none'}{unread}"
        )


@dataclass(slots=True)
class _Tally:
    n_rows: int = 0
    n_events: int = 0
    beside: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)


def _words(refused: Refused) -> str:
    words = WORDS.get(refused.reason, f"{refused.reason} ({{0}})")
    if refused.reason == "null_word" and refused.field != "user_id":
        words = "{0} stands for nothing"
    return words.format(refused.field)


def _frame(events: list[Interaction]) -> pl.DataFrame:
    columns: dict[str, list[Any]] = {name: [getattr(e, name, None) for e in events] for name in LOG_SCHEMA}
    columns["context"] = [None if e.context is None else _json(e.context) for e in events]
    return pl.DataFrame(columns, schema=LOG_SCHEMA)


def _json(context: dict[str, Any]) -> str:
    import json

    return json.dumps(context)
