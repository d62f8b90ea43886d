"""Interaction logs in files: CSV, JSON Lines (either may be gzip) and Parquet, read a chunk at a time."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl

from stream_rec import logs
from stream_rec.errors import ConfigError, ContractError
from stream_rec.offline.datasets.blocks import blocks
from stream_rec.offline.datasets.csv_rows import CsvRows
from stream_rec.offline.datasets.faults import Faults
from stream_rec.offline.datasets.mapping import ColumnMapping, Form, to_log
from stream_rec.offline.datasets.rows import bad_rows
from stream_rec.schemas.coercion import parsed, text
from stream_rec.schemas.records import Impression, Item
from stream_rec.shapes.messages import Removed

PARQUET_CHUNK_ROWS = 65_536
_HEAD_BYTES = 1_048_576
_FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}

_STRAY_HINT = "a quote inside a field is written twice, and the field in quotes (RFC 4180)"

_READABLE = (
    "give a file that is what its name says: UTF-8, rows as long as the header; or `stream-rec shape guess`"
)

NO_FAULTS = Faults()


class Beside(NamedTuple):
    """A record of a log that is no event.

    Attributes:
        position: of the event before which it stands; the first behind the last one, if none follows.
        record: an item, its removal, or an impression.
    """

    position: int
    record: Item | Impression | Removed


class _Frame(NamedTuple):
    table: pl.DataFrame
    fraction: float
    faults: Faults


class Chunk(NamedTuple):
    """Some rows of a log, bad ones among them, in the log's order.

    Attributes:
        first: position of the first row; rows are counted from 0 and never change their position.
        log: the rows, in the form of `rows.LOG_SCHEMA`.
        fraction: how much of the source is read with this chunk, in (0, 1].
        fraction_before: how much was read without it.
        faults: what could not be read of the rows.
        beside: records of the catalogue, and impressions, that stand among the rows, in the log's order.
    """

    first: int
    log: pl.DataFrame
    fraction: float
    fraction_before: float = 0.0
    faults: Faults = NO_FAULTS
    beside: Sequence[Beside] = ()


def among_good(chunk: Chunk, first: int) -> list[Beside]:
    """What stands beside the rows of a chunk, by positions that count good rows only.

    Args:
        chunk: of a log.
        first: position of its first good row.
    """
    if not chunk.beside:
        return []
    bad = bad_rows(chunk.log)
    is_good = (~(bad["user_id"] | bad["item_id"] | bad["ts"])).to_numpy()
    place = first + np.concatenate(([0], np.cumsum(is_good)))
    return [Beside(int(place[one.position - chunk.first]), one.record) for one in chunk.beside]


class Source(Protocol):
    """A log that can be read from any position on."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def identity(self) -> str:
        """Differs when the rows, or how they are read, differ: positions of one identity can be compared."""
        ...

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The rows from position `start` on."""
        ...


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file; its format follows from its name (`.csv`, `.tsv`, `.jsonl`, `.parquet`, the first two also `.gz`).

    Attributes:
        path: the file.
        mapping: its columns.
    """

    path: Path
    mapping: ColumnMapping = field(default_factory=ColumnMapping)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def identity(self) -> str:
        """Of path, size, time of change, the first MiB, and the mapping."""
        try:
            stat = self.path.stat()
            with self.path.open("rb") as file:
                head = file.read(_HEAD_BYTES)
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error}", fix="name a readable file") from error
        parts = (str(self.path.resolve()), stat.st_size, stat.st_mtime_ns, self.mapping.key())
        return hashlib.sha256(repr(parts).encode() + head).hexdigest()

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The rows from position `start` on, in bounded memory.

        Raises:
            ConfigError: the file cannot be read, is no such format, or lacks a column.
        """
        first, before = 0, 0.0
        form: Form | None = None
        for frame, fraction, faults in self._frames():
            if form is None and len(frame):
                form = Form.of(frame, self.mapping, str(self.path))
                if form.is_early and not self.mapping.allow_early:
                    raise _early(self.path)
                for note in form.notes(self.mapping):
                    logs.get("import").info(note, log=self.name)
            skip = min(max(0, start - first), len(frame))
            if skip < len(frame):
                log, unread = to_log(frame[skip:], self.mapping, str(self.path), form, first=first + skip)
                unread.take(faults)
                share = (fraction - before) * skip / len(frame)
                yield Chunk(first + skip, log, fraction, before + share, unread)
            first, before = first + len(frame), fraction

    def _frames(self) -> Iterator[_Frame]:
        try:
            match file_format(self.path):
                case "csv":
                    yield from _csv(self.path, self.mapping.separator)
                case "jsonl":
                    yield from _json_lines(self.path)
                case _:
                    yield from _parquet(self.path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(self.path, error) from error


def _early(path: Path) -> ConfigError:
    return ConfigError(
        f"{path}: its times are numbers that lie before 1990 as seconds since the epoch: dates like 20191001, "
        "days, or a counter",
        fix="`stream-rec shape guess FILE` tells dates; if they only count, --ts-unit s takes them as they are",
    )


def file_format(path: Path) -> str:
    """`csv`, `jsonl` or `parquet`, by the file's name.

    Raises:
        ConfigError: none of them.
    """
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    if not suffixes or suffixes[-1] not in _FORMATS:
        raise ConfigError(
            f"cannot tell the format of {path}",
            fix=f"`stream-rec shape guess {path}`, or name it {', '.join(_FORMATS)} (or .csv.gz, .jsonl.gz)",
        )
    return _FORMATS[suffixes[-1]]


def frames(path: Path, separator: str) -> Iterator[pl.DataFrame]:
    """The rows of a CSV file, all of it text, or of a Parquet file as they are, a chunk at a time.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        read = _csv(path, separator) if file_format(path) == "csv" else _parquet(path)
        for frame in read:
            yield frame.table
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ConfigError:
    """In words of ours: what a library advises to do with its options is of no use here."""
    said = str(error).partition("\n")[0]
    if "found more fields than defined" in said:
        return ConfigError(
            f"cannot read {path}: a row has more cells than the header",
            fix="name what stands between its columns, --separator ';' or a shape's `separator`; a cell that holds it "
            "stands in quotes",
        )
    return ConfigError(f"cannot read {path}: {said}", fix=_READABLE)


def _csv(path: Path, separator: str) -> Iterator[_Frame]:
    separator = "\t" if ".tsv" in path.suffixes and separator == "," else separator
    rows, names, n_stray = CsvRows(path, separator), None, 0
    for data, fraction in rows.blocks():
        frame = pl.read_csv(
            io.BytesIO(data),
            separator=separator,
            infer_schema=False,
            has_header=names is None,
            new_columns=names,
        )
        names = names or [name.strip() for name in frame.columns]
        faults = Faults()
        if rows.n_stray > n_stray:
            faults.add(
                "a stray quote, read as text", f"line {rows.first_stray}", _STRAY_HINT, rows.n_stray - n_stray
            )
            n_stray = rows.n_stray
        frame.columns = names
        yield _Frame(frame.with_columns(pl.all().str.strip_chars()), fraction, faults)


def _json_lines(path: Path) -> Iterator[_Frame]:
    for data, fraction in blocks(path):
        lines = [line for line in data.split(b"\n") if line.strip()]
        rows = [_json_row(line) for line in lines]
        names = {name: None for row in rows for name in row}
        if rows and not names:
            fix = "give one JSON object in each line"
            raise ConfigError(f"{path}: none of {len(rows)} lines is a JSON object", fix=fix)
        texts = {name: [_json_text(row.get(name), name) for row in rows] for name in names}
        yield _Frame(pl.DataFrame(texts, schema=dict.fromkeys(names, pl.String)), fraction, Faults())


def _json_row(line: bytes) -> dict[str, Any]:
    """The line's object; empty (a bad row) if it is none."""
    try:
        return parsed(line.decode())
    except (ContractError, UnicodeError):
        return {}


def _json_text(value: Any, name: str) -> str | None:
    """A scalar as text, as on the wire; of objects and lists only the context is of use."""
    if isinstance(value, bool | dict | list):
        return json.dumps(value) if name == "context" or isinstance(value, bool) else None
    try:
        return None if value is None else text(value)
    except ValueError:
        return None


def _parquet(path: Path) -> Iterator[_Frame]:
    table = pl.scan_parquet(path)
    n_rows = int(table.select(pl.len()).collect().item())
    for first in range(0, n_rows, PARQUET_CHUNK_ROWS):
        frame = table.slice(first, PARQUET_CHUNK_ROWS).collect()
        yield _Frame(frame, min(1.0, (first + len(frame)) / n_rows), Faults())
