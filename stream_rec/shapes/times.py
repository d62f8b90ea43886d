"""Times of other people as seconds since the epoch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

Seconds = Callable[[Any], float | None]
"""None = the value cannot be read as a time."""

_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "days": 1 / 86_400}
_from_iso = datetime.fromisoformat
_NUMBER = re.compile(r"\s*-?\d+(\.\d+)?([eE][+-]?\d+)?\s*", re.ASCII)
_COMPACT_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", re.ASCII)
_ZONE = re.compile(
    r"""\s*\[[^\]]*\]$                                # 2019-10-01T02:00:00+02:00[Europe/Paris]
      | (?<=\d)\s*(?:UTC|GMT|Z)$                      # 2019-10-01 00:00:00 UTC
      | (?:(?<=[+-]\d\d:\d\d)|(?<=[+-]\d{4}))\s*[A-Z]{3,5}$  # 2019-10-01 02:00:00 +0200 CEST""",
    re.IGNORECASE | re.VERBOSE,
)
_OFFSET = re.compile(r"(?:[+-]\d\d:?\d\d|Z|UTC|GMT)$", re.IGNORECASE)
_UTC = frozenset({"UTC", "GMT", "Z", "ETC/UTC"})
_YEAR_FIRST = re.compile(r"\d{4}/\d\d?/\d\d?")


def reader(unit: str, seen: dict[str, int] | None = None) -> Seconds:
    """How times of a unit are read.

    Args:
        unit: `s`, `ms`, `us`, `ns` or `days` since the epoch, `iso`, a strptime pattern (UTC without %z), or `auto`:
            each value by itself, numbers by their size (below 1e11 seconds, 1e14 milli-, 1e17 microseconds, else
            nanoseconds), texts as ISO 8601.
        seen: counts, by unit, the numbers that `auto` has read.
    """
    if unit == "auto" and seen is None:
        return _auto
    read = _counting(seen) if unit == "auto" and seen is not None else _reader(unit)

    def any_form(value: Any) -> float | None:
        return _moment(value) if isinstance(value, date) else read(value)

    return any_form


def _moment(value: date) -> float:
    """Of a date or datetime; UTC where it names no zone."""
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def _counting(seen: dict[str, int]) -> Seconds:
    def read(value: Any) -> float | None:
        found = _auto(value)
        if found is not None and (size := number(value)) is not None:
            unit = _unit_of_number(size)
            seen[unit] = seen.get(unit, 0) + 1
        return found

    return read


def _reader(unit: str) -> Seconds:
    if unit == "auto":
        return _auto
    if unit == "iso":
        return lambda value: iso(value) if isinstance(value, str) else None
    if "%" in unit:
        return _pattern(unit)
    divisor = _PER_SECOND[unit]

    def scaled(value: Any) -> float | None:
        number_ = number(value)
        return None if number_ is None else number_ / divisor

    return number if unit == "s" else scaled


def unit_of(value: Any) -> str:
    """As which unit `auto` reads a value; empty = not at all."""
    if isinstance(value, date):
        return "iso"
    found = number(value)
    if found is not None:
        return _unit_of_number(found)
    return "iso" if isinstance(value, str) and iso(value) is not None else ""


def number(value: Any) -> float | None:
    """A number, also as text; None if it is none, or not finite."""
    if type(value) is float or type(value) is int:
        found = float(value) if abs(value) < 1e300 else math.nan
    elif (isinstance(value, str) and _NUMBER.fullmatch(value)) or isinstance(value, Decimal):
        found = float(value)
    else:
        return None
    return found if math.isfinite(found) else None


def _unit_of_number(value: float) -> str:
    size = abs(value)
    return "s" if size < 1e11 else "ms" if size < 1e14 else "us" if size < 1e17 else "ns"


def _auto(value: Any) -> float | None:
    """The hot path of live topics: a text of ISO 8601 with dashes first."""
    if value.__class__ is str and value[4:5] == "-":
        try:
            moment = _from_iso(value)
        except ValueError:
            return iso(value)
        return moment.timestamp() if moment.tzinfo is not None else moment.replace(tzinfo=UTC).timestamp()
    if isinstance(value, date):
        return _moment(value)
    if type(value) is str:
        found = _iso_text(value)
        if found is not None:
            return found
    found = number(value)
    if found is None:
        return None
    size = abs(found)
    return (
        found if size < 1e11 else found / 1e3 if size < 1e14 else found / 1e6 if size < 1e17 else found / 1e9
    )


def _iso_text(text: str) -> float | None:
    """ISO 8601 with separators: a text of digits alone is a number, or a date that must be told (`%Y%m%d`)."""
    return iso(text) if (len(text) > 7 and "-" in text[1:8]) or "/" in text[:5] else None


def iso(text: str) -> float | None:
    """A moment in ISO 8601, its zone as an offset, as `UTC`, `GMT` or `Z`, or in both ways; UTC without one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _iso_loosely(text)
    if moment.tzinfo is None:
        if text.isdigit():
            return None
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def _iso_loosely(text: str) -> float | None:
    text = text.strip()
    if _YEAR_FIRST.match(text):
        text = text.replace("/", "-", 2)
    bare = _ZONE.sub("", text)
    if bare != text and not _OFFSET.search(bare) and text[len(bare) :].strip(" []").upper() not in _UTC:
        return None  # a zone by name alone
    try:
        moment = datetime.fromisoformat(bare.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def is_compact_date(value: Any) -> bool:
    """Is it a date such as 20191001, as a number or a text?"""
    return not isinstance(value, bool) and bool(_COMPACT_DATE.fullmatch(str(value)))


def _pattern(pattern: str) -> Seconds:
    @lru_cache(maxsize=65_536)
    def read(text: str) -> float | None:
        try:
            moment = datetime.strptime(text.strip(), pattern)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None

    def checked(value: Any) -> float | None:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return read(str(value))

    return checked
