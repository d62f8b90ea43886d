"""The rows of files of any shape, as the bodies that a mapper reads: objects by column."""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
import polars as pl

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.blocks import Block, blocks
from stream_rec.offline.datasets.csv_rows import CsvRows
from stream_rec.settings import ShapeSettings
from stream_rec.shapes.messages import Refused

ROWS = 65_536
"""Of a table that is read as rows at a time."""
MAX_DOCUMENT_BYTES = 1 << 30
"""Of a file that is one JSON document."""
_BY_SUFFIX = {
    ".csv": "csv", ".tsv": "csv", ".dat": "csv", ".data": "csv", ".txt": "csv", ".inter": "csv", ".item": "csv",
    ".jsonl": "json", ".ndjson": "json", ".json": "json", ".parquet": "parquet", ".avro": "avro", ".xlsx": "xlsx",
    ".log": "text",
}  # fmt: skip
_PARTITION = re.compile(r"([A-Za-z_]\w*)=(.+)")
_NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_TABLES = ("csv", "json", "python", "text")


NO_NOTES: Mapping[str, int] = {}


class Rows(NamedTuple):
    """Some rows of a file.

    Attributes:
        bodies: each an object, or why it is none.
        fraction: how much of the file is read with them.
        notes: what was read otherwise than it stands, by what it is: how many times.
    """

    bodies: list[Any]
    fraction: float
    notes: Mapping[str, int] = NO_NOTES


def rows(path: Path, shape: ShapeSettings) -> Iterator[Rows]:
    """The rows of a file, in its order; folders named `column=value` around it give columns that it does not have.

    Raises:
        ConfigError: it cannot be read, or is not of its format.
    """
    folders = partition(path)
    try:
        for read in _READERS[format_of(path, shape)](path, shape):
            for body in read.bodies if folders else ():
                if isinstance(body, dict):
                    body |= {name: value for name, value in folders.items() if name not in body}
            yield read
    except (OSError, UnicodeDecodeError, LookupError, pl.exceptions.PolarsError) as error:
        raise ConfigError(
            f"cannot read {path}: {error}", fix="set format and encoding of the shape"
        ) from error


def partition(path: Path) -> dict[str, str | None]:
    """What the folders say, as Hive and Spark write partitions: `event_type=view/dt=2024-05-01/part-0.parquet`."""
    found = [match for folder in path.parts[:-1] if (match := _PARTITION.fullmatch(folder))]
    return {
        name: None if value == _NO_PARTITION else unquote(value)
        for name, value in map(re.Match.groups, found)
    }


def format_of(path: Path, shape: ShapeSettings) -> str:
    """The shape's, else by the file's first bytes and its name."""
    if shape.format != "auto":
        return shape.format
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"Obj\x01"):
        return "avro"
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    known = _BY_SUFFIX.get(suffixes[-1] if suffixes else "")
    if known:
        return known
    return "json" if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"{", b"[") else "csv"


def separator_of(path: Path, shape: ShapeSettings) -> str:
    """Of its columns; a file `.tsv` has tabs."""
    is_tsv = ".tsv" in path.suffixes and shape.separator == ","
    return "\t" if shape.separator == "tab" or is_tsv else shape.separator


def header(path: Path, shape: ShapeSettings) -> tuple[str, ...]:
    """The names of a CSV's columns: the shape's own, else its first row's.

    Raises:
        ConfigError: it cannot be read.
    """
    group = ("group",) if shape.group_line else ()
    if shape.columns:
        return (*shape.columns, *group)
    separator = separator_of(path, shape)
    quoted = _is_quoted(shape, separator)
    text = CsvRows(path, separator, source=lambda: _text_blocks(path, shape)).blocks() if quoted else None
    for data, _ in text or _text_blocks(path, shape):
        for cells in _cells(data.decode(), separator, quoted=quoted):
            if not (group and len(cells) == 1 and re.match(shape.group_line, cells[0])):
                return (*_apart([name.strip() for name in cells]), *group)
    return group


def _csv(path: Path, shape: ShapeSettings) -> Iterator[Rows]:
    separator, names = separator_of(path, shape), list(shape.columns)
    group: str | None = None
    pattern = re.compile(shape.group_line) if shape.group_line else None
    n_stray = 0
    by_quotes = (
        CsvRows(path, separator, source=lambda: _text_blocks(path, shape))
        if _is_quoted(shape, separator)
        else None
    )
    for data, fraction in by_quotes.blocks() if by_quotes else _text_blocks(path, shape):
        text = data.decode()
        bodies: list[Any] = []
        for cells in _cells(text, separator, quoted=by_quotes is not None):
            if pattern and len(cells) == 1 and (found := pattern.match(cells[0])):
                group = found[1]
                continue
            if not names:
                names = _apart([name.strip() for name in cells])
                continue
            if len(cells) != len(names):
                bodies.append(Refused("columns", "row", f"{len(cells)} columns, and not {len(names)}"))
                continue
            body: dict[str, str | None] = dict(zip(names, cells, strict=True))
            if pattern:
                body["group"] = group
            bodies.append(body)
        notes = {}
        if by_quotes and by_quotes.n_stray > n_stray:
            notes["a stray quote, read as text"], n_stray = by_quotes.n_stray - n_stray, by_quotes.n_stray
        yield Rows(bodies, fraction, notes)


def _apart(names: list[str]) -> list[str]:
    """A header's names; of two that are the same the first has it, the others are numbered."""
    seen: Counter[str] = Counter()
    out = []
    for name in names:
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return out


def _is_quoted(shape: ShapeSettings, separator: str) -> bool:
    return shape.quoting and len(separator) == 1


def _cells(text: str, separator: str, *, quoted: bool) -> Iterator[list[str]]:
    lines = text.split("\n")
    if quoted and '"' in text:
        found = csv.reader((f"{line}\n" for line in lines), delimiter=separator)
        yield from ([cell.strip() for cell in cells] for cells in found if cells and cells != [""])
        return
    for line in lines:
        if line.strip():
            yield [cell.strip() for cell in line.split(separator)]


def _text_blocks(path: Path, shape: ShapeSettings) -> Iterator[Block]:
    """The file in UTF-8 with line feeds, quotes doubled."""
    encoding = shape.encoding
    if "\n,".encode(encoding) != b"\n,":
        raise ConfigError(f"{path}: files in {encoding} are not read", fix="save it in UTF-8")
    for data, fraction in blocks(path):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            shown = ascii(data[max(0, error.start - 20) : error.start + 20])
            raise ConfigError(
                f"{path} is not in {encoding}, near {shown}",
                fix="set the shape's encoding: cp1252, latin-1 or another",
            ) from None
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if shape.escape == "backslash":
            text = text.replace('\\"', '""')
        yield Block(text.encode(), fraction)


def _json(path: Path, shape: ShapeSettings) -> Iterator[Rows]:
    """Objects, one a line; or one document, of which a list is as many rows."""
    is_first = True
    for data, fraction in _text_blocks(path, shape):
        lines = [line for line in data.split(b"\n") if line.strip()]
        if is_first and lines and not isinstance(_line(lines[0]), dict):
            yield Rows(_document(path, shape), 1.0)
            return
        is_first = False
        yield Rows([_line(line) for line in lines], fraction)


def _line(line: bytes) -> Any:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        return Refused("not_json", "row", str(error)[:100])
    return (
        found if isinstance(found, dict) else Refused("wrong_type", "row", f"no object: {ascii(found)[:60]}")
    )


def _document(path: Path, shape: ShapeSettings) -> list[Any]:
    text = bytearray()
    for data, _ in _text_blocks(path, shape):
        text += data
        if len(text) > MAX_DOCUMENT_BYTES:
            raise ConfigError(
                f"{path} is one JSON document over {MAX_DOCUMENT_BYTES} bytes", fix="write JSON Lines"
            )
    try:
        found = msgspec.json.decode(bytes(text))
    except (msgspec.DecodeError, RecursionError) as error:
        raise ConfigError(
            f"{path} is neither JSON Lines nor JSON: {error}", fix="set the shape's format"
        ) from None
    return found if isinstance(found, list) else [found]


def _python(path: Path, shape: ShapeSettings) -> Iterator[Rows]:
    for data, fraction in _text_blocks(path, shape):
        yield Rows([_literal(line) for line in data.decode().split("\n") if line.strip()], fraction)


def _literal(line: str) -> Any:
    try:
        found = ast.literal_eval(line)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        return Refused("not_python", "row", f"{type(error).__name__}: {line[:60]!a}")
    return found if isinstance(found, dict) else Refused("wrong_type", "row", f"no dict: {line[:60]!a}")


def _text(path: Path, shape: ShapeSettings) -> Iterator[Rows]:
    for data, fraction in _text_blocks(path, shape):
        yield Rows([line for line in data.decode().split("\n") if line.strip()], fraction)


def _parquet(path: Path, shape: ShapeSettings) -> Iterator[Rows]:  # noqa: ARG001 - a reader's signature
    table = pl.scan_parquet(path)
    n_rows = int(table.select(pl.len()).collect().item())
    for first in range(0, n_rows, ROWS):
        frame = table.slice(first, ROWS).collect()
        yield Rows(frame.to_dicts(), min(1.0, (first + len(frame)) / n_rows))


def _avro(path: Path, shape: ShapeSettings) -> Iterator[Rows]:  # noqa: ARG001 - a reader's signature
    try:
        from fastavro import reader
    except ImportError:
        raise _needs("Avro", "fastavro") from None
    with path.open("rb") as file:
        size, batch = path.stat().st_size, []
        try:
            for body in reader(file):
                batch.append(body)
                if len(batch) >= ROWS:
                    yield Rows(batch, min(1.0, file.tell() / size))
                    batch = []
        except (ValueError, EOFError) as error:
            raise ConfigError(f"{path} is no Avro file: {error}", fix="set the shape's format") from None
        yield Rows(batch, 1.0)


def _xlsx(path: Path, shape: ShapeSettings) -> Iterator[Rows]:
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise _needs("xlsx", "python-calamine") from None
    try:
        book = CalamineWorkbook.from_path(str(path))
        sheets = [book.get_sheet_by_index(n) for n in range(len(book.sheet_names))]
    except CalamineError as error:
        raise ConfigError(f"{path} is no workbook: {error}", fix="set the shape's format") from None
    for n, sheet in enumerate(sheets, start=1):
        lines = [line for line in sheet.to_python() if any(cell != "" for cell in line)]
        names = list(shape.columns) or (_apart([str(name).strip() for name in lines.pop(0)]) if lines else [])
        yield Rows([dict(zip(names, line, strict=False)) for line in lines], n / len(sheets))


def _needs(what: str, package: str) -> ConfigError:
    return ConfigError(f"{what} needs the package {package}", fix="pip install 'stream-rec[shapes]'")


_READERS: dict[str, Callable[[Path, ShapeSettings], Iterator[Rows]]] = {
    "csv": _csv,
    "json": _json,
    "python": _python,
    "text": _text,
    "parquet": _parquet,
    "avro": _avro,
    "xlsx": _xlsx,
}
