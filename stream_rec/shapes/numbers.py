"""How the numbers of a column are written: with which decimal mark, told by all of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from stream_rec.settings.shapes import NULL_WORDS
from stream_rec.shapes.times import number
from stream_rec.shapes.values import MARKS, written

ENOUGH = 0.8
"""Of a column's values, that must be numbers in one form."""
MAX_WORDS = 8
"""Different words that may stand among a column's numbers: more are a text."""
FEW = 0.2
"""Of a column's values, that must be numbers where the words among them come again and again."""
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
    `1,234.50`), that holds for all. A few words among them (`on request`) are named: they give nothing.

    Args:
        path: of the column.
        values: some of it.
    """
    there = [value for value in values if value is not None and value not in NULL_WORDS]
    words = words_among(there)
    how = _all_numbers(path, [value for value in there if value not in words])
    if how is None or not words or not how.path:
        return how
    said = f"{path}: {counted(words)} {'is' if len(words) == 1 else 'are'} no number, and left out"
    remark = f"{how.remark}; {said}" if how.remark else said
    return Numbers(f"when(not {path} in [{listed(words)}], {how.path})", remark, how.mark)


def words_among(values: Sequence[Any]) -> Counter[str]:
    """The words among a column's numbers, and how often they stand there; none if it is rather a column of words.

    Args:
        values: of the column, without null words.
    """
    words = Counter(one for one in values if isinstance(one, str) and not any(c.isdigit() for c in one))
    n, n_words = len(values), words.total()
    is_mixed = n - n_words >= n_words or (n_words >= 2 * len(words) and n - n_words >= FEW * n)
    return words if is_mixed and len(words) <= MAX_WORDS else Counter()


def counted(words: Counter[str]) -> str:
    """Words with their numbers, for people."""
    return ", ".join(f"{word!a} {n:,}" for word, n in words.most_common())


def listed(words: Iterable[str]) -> str:
    """Words as a list in a path."""
    return ", ".join("'" + word.replace("'", "\\'") + "'" for word in words)


def _all_numbers(path: str, there: Sequence[Any]) -> Numbers | None:
    """The same of values without such words."""
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
