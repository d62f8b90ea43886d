"""A column's values in the one form: ids as text, times in seconds, numbers. What cannot be read is null."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal

import polars as pl

TsUnit = Literal["auto", "s", "ms", "us", "ns", "iso"]

UNIT_NAMES: dict[TsUnit, str] = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "iso": "ISO 8601",
}
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_LIMITS = (("s", 1e11), ("ms", 1e14), ("us", 1e17))
"""Times since the epoch below these are in this unit: 1e11 s is the year 5138, 1e11 ms is March 1973."""
EARLY_SECONDS = 631_152_000.0
_EXACT = 2.0**63
_WHOLE = r"^(-?\d+)\.0+$"
_ZONE = re.compile(
    r"""\s*\[[^\]]*\]$                                # 2019-10-01T02:00:00+02:00[Europe/Paris]
      | (?<=\d)\s*(?:UTC|GMT|Z)$                      # 2019-10-01 00:00:00 UTC
      | (?:(?<=[+-]\d\d:\d\d)|(?<=[+-]\d{4}))\s*[A-Z]{3,5}$  # 2019-10-01 02:00:00 +0200 CEST""",
    re.IGNORECASE | re.VERBOSE,
)
_OFFSET = re.compile(r"(?:[+-]\d\d:?\d\d|Z|UTC|GMT)$", re.I)
_YEAR_FIRST = re.compile(r"^\d{4}/\d\d?/\d\d?")


def ids(column: pl.Series, *, whole: bool = False) -> pl.Series:
    """Ids as text: numbers as people write them, whole ones without a point (`17.0` is `17`); empty is null.

    Args:
        column: text or numbers.
        whole: text like `17.0` is `17`, too; see `has_whole_numbers`.
    """
    name = column.name
    if not _is_scalar(column):
        return _nothing(column)
    if column.dtype.is_float():
        value = pl.col(name)
        is_whole = (value == value.floor()) & (value.abs() < _EXACT)
        text = pl.when(is_whole).then(value.cast(pl.Int64, strict=False).cast(pl.String))
        column = column.to_frame().select(
            pl.when(value.is_finite()).then(text.otherwise(value.cast(pl.String))).alias(name)
        )[name]
    whole = whole or column.dtype.is_decimal()
    column = column.cast(pl.String)
    if whole:
        column = column.str.replace(_WHOLE, "${1}")
    return column.set(column == "", None)


def has_whole_numbers(column: pl.Series) -> bool:
    """Is every id of a text column a whole number with `.0`, as some tools write ids once a column has gaps?"""
    given = ids(column).drop_nulls() if column.dtype == pl.String else pl.Series([], dtype=pl.String)
    return len(given) > 0 and bool(given.str.contains(_WHOLE).all())


def numbers(column: pl.Series) -> pl.Series:
    """Numbers as float64, blanks around them ignored."""
    if not _is_scalar(column):
        return _nothing(column).cast(pl.Float64)
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    return column.cast(pl.Float64, strict=False)


def unit_of(column: pl.Series) -> TsUnit:
    """The unit of a column of times: by its type, else text or the range of its numbers (their median)."""
    if isinstance(column.dtype, pl.Datetime | pl.Date):
        return "iso"
    found = numbers(column)
    given = found.filter(found.is_finite())
    if len(given) < found.null_count() - column.null_count():
        return "iso"
    median = given.abs().median()
    if not isinstance(median, float):
        return "s"
    for unit, limit in _LIMITS:
        if median < limit:
            return unit  # type: ignore[return-value]
    return "ns"


def are_early(column: pl.Series) -> bool:
    """Do most of the times, read as seconds, lie before 1990: a date like 20191001, days, or a counter?"""
    found = numbers(column)
    median = found.filter(found.is_finite()).abs().median()
    return isinstance(median, float) and median < EARLY_SECONDS


def seconds(column: pl.Series, unit: TsUnit) -> pl.Series:
    """Times as seconds since the epoch.

    Args:
        column: dates, numbers or text.
        unit: of numbers; `iso` = ISO 8601 text, UTC unless it says otherwise. Not `auto`: see `unit_of`.
    """
    if isinstance(column.dtype, pl.Datetime | pl.Date):
        return column.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
    if not _is_scalar(column):
        return _nothing(column).cast(pl.Float64)
    if unit == "iso":
        return pl.Series([_iso(text) for text in column.cast(pl.String).to_list()], dtype=pl.Float64)
    found = numbers(column)
    return found if unit == "s" else found / _PER_SECOND[unit]


def _iso(text: str | None) -> float | None:
    """A moment in ISO 8601, its zone as an offset, as `UTC`, `GMT` or `Z`, or in both ways."""
    if not text:
        return None
    text = text.strip()
    if _YEAR_FIRST.match(text):
        text = text.replace("/", "-", 2)
    bare = _ZONE.sub("", text)
    if bare != text and not _OFFSET.search(bare) and not _is_utc(text[len(bare) :]):
        return None  # a zone by name alone
    try:
        moment = datetime.fromisoformat(bare)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _is_utc(zone: str) -> bool:
    return zone.strip(" []").upper() in {"UTC", "GMT", "Z", "ETC/UTC"}


def _is_scalar(column: pl.Series) -> bool:
    """Neither lists or objects, nor bytes, nor times of day: nothing of ours can be read of these."""
    return not column.dtype.is_nested() and column.dtype not in (pl.Binary, pl.Object, pl.Time, pl.Duration)


def _nothing(column: pl.Series) -> pl.Series:
    return pl.Series(column.name, [None] * len(column), dtype=pl.String)
