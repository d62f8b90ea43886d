"""What generated mappers call: steps through decoded values, and values in the form of our fields."""

from __future__ import annotations

import math
import re
from collections.abc import Set
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from stream_rec.shapes.times import number

_CURRENCY = r"(?:[A-Z]{3}|[A-Z]{0,2}[$\u20a0-\u20bf\u00a3\u00a5]|kr\.?|z\u0142|K\u010d|Ft)"
_WRITTEN = {
    mark: re.compile(
        rf"""(?:{_CURRENCY}\s*)?(-?)(?:{_CURRENCY}\s*)?
        ( [1-9]\d{{0,2}}([{others}])\d{{3}}(?:\3\d{{3}})* {more} | \d+ )   # thousands parted, or not
        (?:[{mark}](\d+))?(?:\s*{_CURRENCY})?""",
        re.ASCII | re.VERBOSE,
    )
    for mark, others, more in (
        (",", r".'\u2019\u00a0\u202f\u2009\ ", ""),
        (".", r",'\u2019\u00a0\u202f\u2009\ ", r"| [1-9]\d?(?:,\d\d)+,\d{3}"),  # 12,34,567.00 in India
    )
}
"""Numbers as people write them, by their decimal mark: sign, whole part, what parts its thousands, fraction."""
MARKS = tuple(_WRITTEN)
_WHOLE = re.compile(r"-?\d+\.0+", re.ASCII)
ONE: tuple[None] = (None,)
"""The elements of a list that is not gone through: one, unknown."""


def member(base: Any, name: str) -> Any:
    """`base.name`, null if there is none."""
    return base.get(name) if type(base) is dict else None


def place(base: Any, at: int) -> Any:
    """`base[at]`, null past either end."""
    return base[at] if type(base) is list and -len(base) <= at < len(base) else None


def named(base: Any, name: str, value: str) -> Any:
    """The first element whose member `name` is `value`."""
    if type(base) is list:
        for each in base:
            if type(each) is dict and plain(each.get(name)) == value:
                return each
    return None


def elements(base: Any) -> list[Any]:
    """A list's elements; of an object that stands where a list is expected, itself; else none."""
    if type(base) is list:
        return base
    return [base] if base is not None and type(base) is not str else []


def several(base: Any) -> list[Any]:
    """The elements of a field that is a list: of a list its own, else the value itself; none of null."""
    if type(base) is list:
        return base
    return [] if base is None else [base]


def plain(value: Any) -> str | None:
    """A scalar as text: numbers as people write them, true and false in small letters; null for anything else."""
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if type(value) is float and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value.is_finite() else None
    return str(value) if isinstance(value, UUID) else None


def to_id(value: Any) -> str | None:
    """An id that is no text: a number as people write it; "" for what is no id, null for null."""
    if value is None:
        return None
    return "" if type(value) is bool else plain(value) or ""


def without_point(text: str) -> str:
    """`17.0` as `17`; any other text as it is."""
    return text[: text.index(".")] if _WHOLE.fullmatch(text) else text


def decoded(value: Any) -> Any:
    """`json(x)`: what a text of JSON holds, null if it is none; what is no text stays."""
    if type(value) is not str:
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None


def joined(*parts: Any) -> str | None:
    """The parts as one text; null if one is."""
    texts = [str(part) if isinstance(part, date | time) else plain(part) for part in parts]
    return None if None in texts else "".join(texts)  # type: ignore[arg-type]


def matched(value: Any, pattern: re.Pattern[str]) -> str | None:
    """The pattern's group where it is found in a scalar's text."""
    text = plain(value)
    found = pattern.search(text) if text is not None else None
    return found[1] if found else None


def split(value: Any, separator: str) -> list[str] | None:
    """A text's parts that are not empty."""
    return [part for part in value.split(separator) if part] if type(value) is str else None


def lower(value: Any) -> str | None:
    """A scalar as text in small letters."""
    text = plain(value)
    return text.lower() if text is not None else None


def compared(operator: str, left: Any, right: Any) -> bool:
    """By number where both sides are, else by text; null is unequal to everything and in no order."""
    if left is None or right is None:
        return operator == "!=" and left is not right
    first, second = number(left), number(right)
    if first is None or second is None:
        if operator not in ("==", "!="):
            return False
        return (plain(left) == plain(right)) is (operator == "==")
    match operator:
        case "==":
            return first == second
        case "!=":
            return first != second
        case "<":
            return first < second
        case "<=":
            return first <= second
        case ">":
            return first > second
        case _:
            return first >= second


class NoNumber:
    """What `number(x, mark)` and `x > 0` give for a value that is none: no field takes it; it is refused and counted.

    Args:
        value: as it stands.
        name: of what it was read from; empty = nobody needs to be told.
    """

    def __init__(self, value: Any, name: str = "") -> None:
        self.value: Any = value.value if isinstance(value, NoNumber) else value
        self.name = name

    def __repr__(self) -> str:
        return repr(self.value)


Truth = bool | NoNumber | None
"""True or false, or why it cannot be said: what was compared is no number, or is not given."""


def ordered(operator: str, left: Any, right: Any, names: tuple[str, str], nulls: Set[str]) -> Truth:
    """`<`, `<=`, `>`, `>=`, where it matters that a value cannot be compared.

    Args:
        operator: which.
        left: a value.
        right: another.
        names: of what they were read from.
        nulls: texts that stand for nothing.
    """
    sides = [None if isinstance(side, str) and side in nulls else side for side in (left, right)]
    for side, name in zip(sides, names, strict=True):
        if side is not None and number(side) is None:
            return NoNumber(side, name)
    return None if None in sides else compared(operator, *sides)


def all_of(*parts: Truth) -> Truth:
    """`and`: false if a part is; else it cannot be said if a part cannot."""
    return False if False in parts else _unsaid(parts, otherwise=True)


def any_of(*parts: Truth) -> Truth:
    """`or`: true if a part is; else it cannot be said if a part cannot."""
    return True if True in parts else _unsaid(parts, otherwise=False)


def negated(part: Truth) -> Truth:
    """`not`."""
    return not part if isinstance(part, bool) else part


def _unsaid(parts: tuple[Truth, ...], *, otherwise: bool) -> Truth:
    """The first part that is no number, else null if a part is, else what is to be said."""
    faulty = next((part for part in parts if isinstance(part, NoNumber)), None)
    return faulty if faulty is not None or None in parts else otherwise


def written(value: Any, mark: str) -> float | NoNumber:
    """`number(x, ',')`: a number as people write it, by its decimal mark; thousands may be parted, a currency named.

    A text that does not fit is no number, also where it would be one with another mark: `12.90` by a decimal comma.

    Args:
        value: a text, or a number.
        mark: `,` or `.`.
    """
    if not isinstance(value, str):
        found = number(value)
        return NoNumber(value) if found is None else found
    if not (parts := _WRITTEN[mark].fullmatch(value.strip())):
        return NoNumber(value)
    whole = re.sub(r"\D", "", parts[2], flags=re.ASCII)
    return float(f"{parts[1]}{whole}.{parts[4] or 0}")


def negative(value: Any) -> float | NoNumber:
    """`negative(x)`: a number below 0, whichever sign it has: what was paid, paid back."""
    found = number(value)
    if found is None:
        return value if isinstance(value, NoNumber) else NoNumber(value)
    return -abs(found)


def scalar(value: Any) -> Any:
    """What a context can hold; null for the rest."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    return value if type(value) in (str, int, bool) else None


def scalars(value: Any) -> Any:
    """What an attribute can hold: a scalar, or a list of scalars; null for the rest."""
    if type(value) is not list:
        return scalar(value)
    found = [scalar(each) for each in value]
    return None if None in found else found


def text_of(data: bytes | None) -> str | None:
    """A key or header as text; null if it is no UTF-8."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
