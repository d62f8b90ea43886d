"""How the numbers of a column are written: with which decimal mark, told by all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from stream_rec.settings.shapes import NULL_WORDS
from stream_rec.shapes.times import number
from stream_rec.shapes.values import MARKS, written

ENOUGH = 0.8
"""Of a column's values, that must be numbers in one form."""
_MARK_NAMES = {",": "comma", ".": "point"}


class Numbers(NamedTuple):
    """How a column of numbers is read.

    Attributes:
        path: that gives the numbers; empty = it cannot be told, and none is taken.
        remark: what to know of it; empty = nothing.
        mark: the decimal mark, where `number(...)` has to be told it.
    """

    path: str
    remark: str = ""
    mark: str = ""


def numbers_of(path: str, values: Sequence[Any]) -> Numbers | None:
    """How a column's numbers are read; None = it has none.

    A text such as `1,234` alone is one of two numbers. Where others of its column say which mark it is (`12,90`,
    `1,234.50`), that holds for all.

    Args:
        path: of the column.
        values: some of it.
    """
    there = [value for value in values if value is not None and value not in NULL_WORDS]
    enough = max(1.0, ENOUGH * len(there))
    plain = [value for value in there if number(value) is not None]
    fit = {mark: [value for value in there if isinstance(written(value, mark), float)] for mark in MARKS}
    best = max(map(len, fit.values()), default=0)
    if best > len(plain):
        if best < enough:
            return None
        marks = [mark for mark in MARKS if len(fit[mark]) == best]
        if len(marks) > 1:
            return _either(path, next(value for value in fit[","] if number(value) is None))
        [mark] = marks
        return _by_mark(path, mark, next(value for value in fit[mark] if number(value) is None))
    if len(plain) < enough:
        return None
    pointed = [value for value in plain if isinstance(value, str) and "." in value]
    if pointed and all(isinstance(written(value, ","), float) for value in pointed):
        shown, thousands = pointed[0], written(pointed[0], ",")
        return Numbers(
            path,
            f"{path} such as '{shown}' is read as {number(shown)}; if it is {thousands}: number({path}, ',')",
        )
    return Numbers(path)


def _by_mark(path: str, mark: str, shown: str) -> Numbers:
    return Numbers(
        f"number({path}, '{mark}')",
        f"{path} has a decimal {_MARK_NAMES[mark]}: {shown!a} is read as {written(shown, mark)}",
        mark,
    )


def _either(path: str, shown: str) -> Numbers:
    ways = " or ".join(f"{written(shown, mark)}, value = \"number({path}, '{mark}')\"" for mark in MARKS)
    return Numbers("", f"{path} has numbers such as {shown!a} and is not taken: that is {ways}")
