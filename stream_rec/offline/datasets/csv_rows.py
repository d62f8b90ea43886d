"""CSV as blocks of whole rows (RFC 4180), however many lines a quoted field takes; stray quotes swallow nothing.

A quote is stray that opens no field, that is never closed, or that would make one field out of lines that are rows by
themselves. It is text: its line is one row and is written again with its fields in quotes, so that every parser reads
them as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from stream_rec.offline.datasets.blocks import BLOCK_BYTES, Block, blocks

MAX_ROW_LINES = 1000
"""A row of more lines is none: its first quote is stray."""


@dataclass(slots=True)
class CsvRows:
    """The rows of a CSV file.

    Attributes:
        path: the file, plain or gzip.
        separator: between columns, one character.
        block_bytes: of a block, about.
        source: gives the file's text in blocks of whole lines; None = as it stands.
        n_stray: lines so far that had a stray quote.
        first_stray: number of the first of them, from 1; 0 = none.
    """

    path: Path
    separator: str = ","
    block_bytes: int = BLOCK_BYTES
    source: Callable[[], Iterable[Block]] | None = None
    n_stray: int = 0
    first_stray: int = 0
    _n_lines: int = field(default=0, init=False)
    _open: list[bytes] = field(default_factory=list, init=False)
    _n_separators: int = field(default=0, init=False)

    def blocks(self) -> Iterator[Block]:
        """Blocks of whole rows, the header in the first.

        Raises:
            ConfigError: as `blocks.blocks`.
        """
        last = 1.0
        source = self.source() if self.source else blocks(self.path, block_bytes=self.block_bytes)
        for data, last in source:
            if whole := self._whole(data):
                yield Block(whole, last)
        if rest := self._rows(ended=True):
            yield Block(rest, last)

    def _whole(self, data: bytes) -> bytes:
        if not self._n_lines and not self._open:
            self._n_separators = data[: data.find(b"\n")].count(self.separator.encode())
        if not self._open and b'"' not in data:
            self._n_lines += data.count(b"\n")
            return data
        self._open += data.splitlines(keepends=True) if b"\r" not in data else _lines(data)
        return self._rows(ended=False)

    def _rows(self, *, ended: bool) -> bytes:
        """What is whole of the lines in hand."""
        shapes, lines, out, at = _shapes(self.separator), self._open, bytearray(), 0
        while at < len(lines):
            n = shapes.lines_of_row(lines, at)
            if n is None and not ended:
                break
            if n and n > 1 and self._are_rows(lines[at : at + n]):
                n = 0
            if n:
                out += b"".join(lines[at : at + n])
            else:
                out += shapes.quoted(lines[at])
                self.n_stray += 1
                self.first_stray = self.first_stray or self._n_lines + 1
            at += n or 1
            self._n_lines += n or 1
        self._open = lines[at:]
        return bytes(out)

    def _are_rows(self, lines: list[bytes]) -> bool:
        """Has each of the lines as many columns as the header? Not told of two columns: any text with a comma has."""
        sep = self.separator.encode()
        return self._n_separators > 1 and all(line.count(sep) == self._n_separators for line in lines)


class _Shapes:
    """What rows and parts of rows look like with one separator."""

    def __init__(self, separator: str) -> None:
        sep = re.escape(separator.encode())
        inside = rb'(?:[^"]|"")*+'
        field = rb'(?:"%b"|[^"%b]*+)' % (inside, sep)
        end = rb"\r?\n?"
        self._separator = separator.encode()
        self._row = re.compile(rb"%b(?:%b%b)*+%b" % (field, sep, field, end))
        self._opens = re.compile(rb'(?:%b%b)*?"%b' % (field, sep, inside))
        self._goes_on = re.compile(inside)
        self._closes = re.compile(rb'%b"(?:%b%b)*+%b' % (inside, sep, field, end))
        self._closes_and_opens = re.compile(rb'%b"(?:%b%b)*?%b"%b' % (inside, sep, field, sep, inside))
        self._loose = re.compile(rb'[ ]*"(%b)"[ ]*(?=%b|$)|([^%b]*)' % (inside, sep, sep))

    def lines_of_row(self, lines: list[bytes], at: int) -> int | None:
        """How many lines the row takes that begins there; 0 = it is no proper row, None = its end is not there yet."""
        line = lines[at]
        if b'"' not in line or self._row.fullmatch(line):
            return 1
        if not self._opens.fullmatch(line):
            return 0
        for n, line in enumerate(lines[at + 1 : at + MAX_ROW_LINES], start=2):
            if self._closes.fullmatch(line):
                return n
            if not (self._goes_on.fullmatch(line) or self._closes_and_opens.fullmatch(line)):
                return 0
        return 0 if len(lines) - at >= MAX_ROW_LINES else None

    def quoted(self, line: bytes) -> bytes:
        """The line as a row, each field in quotes, as it stands."""
        text, at, fields = line.rstrip(b"\r\n"), 0, []
        while True:
            match = self._loose.match(text, at)
            assert match is not None
            inner, bare = match.groups()
            fields.append(inner if inner is not None else bare.replace(b'"', b'""'))
            at = match.end() + 1
            if match.end() >= len(text):
                break
        return self._separator.join(b'"%b"' % one for one in fields) + b"\n"


@cache
def _shapes(separator: str) -> _Shapes:
    return _Shapes(separator)


def _lines(data: bytes) -> list[bytes]:
    """Lines with their ends; only a line feed ends one."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
