"""Text for people: tables and prose that fit the terminal, however narrow, and never cut an id."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_rec.schemas.records import Reason

_GAP = "  "
_INDENT = "     "
_TOO_WIDE = 10_000
_LEAST_PROSE = 24
_WORDS = re.compile(r"`[^`]*`\S*|\S+")
"""What a line is not broken in: a command in backticks is to be pasted."""


def width() -> int:
    """Columns of the terminal, or as COLUMNS says; a pipe has no end."""
    return shutil.get_terminal_size((_TOO_WIDE, 0)).columns


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: its heading.
        is_number: to the right.
        is_prose: may be broken between words.
    """

    name: str
    is_number: bool = False
    is_prose: bool = False


def wrapped(text: str, columns: int, indent: str = "") -> list[str]:
    """Lines broken between words; a word that is longer than a line stands alone, whole.

    Args:
        text: any; line breaks in it are spaces, but those that it begins with are kept.
        columns: the length of a line, `indent` in it.
        indent: before every line but the first.
    """
    lines: list[str] = []
    line = text[: len(text) - len(text.lstrip())]
    for word in _WORDS.findall(text):
        if line.strip() and len(line) + 1 + len(word) > columns:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line.strip() else line + word
    return [*lines, line]


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], wide: int, *, longest: int = 40
) -> list[str]:
    """Lines of a table. What does not fit beside the rest stands below its row, indented, under its column's name.

    As many columns stand side by side as fit. A word, such as an id, is whole, even if it alone is longer than a line;
    only prose, and what is longer than a line, is broken between words.

    Args:
        columns: c of them.
        rows: of c cells; an empty cell below a row is left out.
        wide: the length of a line.
        longest: a longer cell does not widen its column: what follows it stands below.
    """
    longest = longest if wide < _TOO_WIDE else wide
    sizes = [
        max([len(column.name), *(len(row[at]) for row in rows if len(row[at]) <= longest or column.is_prose)])
        for at, column in enumerate(columns)
    ]
    n = _side_by_side(columns, sizes, wide)
    names = [column.name for column in columns[:n]]
    lines = [_GAP.join(map(_padded, columns, sizes, names)).rstrip()] if any(names) else []
    for row in rows:
        lines += _row(columns, sizes[:n], row, wide)
    return lines


def _side_by_side(columns: Sequence[Column], sizes: Sequence[int], wide: int) -> int:
    """How many columns, one at least; prose, if it comes last, may be broken into a narrow one."""
    used = 0
    for n, (column, size) in enumerate(zip(columns, sizes, strict=True)):
        is_last = n == len(columns) - 1
        used += min(size, _LEAST_PROSE) if column.is_prose and is_last else size
        if used > wide:
            return max(1, n)
        used += len(_GAP)
    return len(columns)


def _row(columns: Sequence[Column], sizes: Sequence[int], row: Sequence[str], wide: int) -> list[str]:
    line, at = "", 0
    more: list[str] = []
    for column, size, cell in zip(columns, sizes, row, strict=False):
        start = len(line) + (len(_GAP) if at else 0)
        if column.is_prose:
            cell, *more = wrapped(cell, wide - start)
            more = [" " * start + text for text in more]
        elif len(cell) > size and at and start + len(cell) > wide:
            break
        line += (_GAP if at else "") + _padded(column, size, cell)
        at += 1
        if len(cell) > size:
            break
    below = [
        text
        for column, cell in zip(columns[at:], row[at:], strict=True)
        for text in _below(column, cell, wide)
    ]
    return [line.rstrip(), *more, *below]


def _padded(column: Column, size: int, cell: str) -> str:
    return cell.rjust(size) if column.is_number else cell.ljust(size)


def _below(column: Column, cell: str, wide: int) -> list[str]:
    """One cell under its row."""
    if not cell:
        return []
    if column.is_prose:
        return wrapped_after(_INDENT, cell, wide)
    text = f"{_INDENT}{column.name}: " if column.name else _INDENT
    if max(map(len, cell.split()), default=0) <= wide - len(text):
        return wrapped_after(text, cell, wide)
    return [text.rstrip(), *wrapped(cell, wide)]  # a long id on a line of its own can be copied whole


def wrapped_after(head: str, text: str, wide: int) -> list[str]:
    """Prose behind a heading, its further lines below where it begins."""
    first, *more = wrapped(text, wide - len(head))
    return [head + first, *(" " * len(head) + line for line in more)]


def say(text: str, *, indent: str = "", err: bool = False) -> None:
    """Print prose, each of its lines wrapped at the terminal's width."""
    wide = width()
    for part in text.splitlines():
        print(*wrapped(part, wide, indent), sep="\n", file=sys.stderr if err else sys.stdout, flush=True)


def plain(text: str) -> str:
    """An id or a title as it may go to a terminal: it comes from outside, so no control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def reason_text(reason: Reason | None) -> str:
    """Why an item is recommended; empty = nobody says."""
    if reason is None:
        return ""
    return f"{reason.source}, from {reason.item_id}" if reason.item_id else reason.source
