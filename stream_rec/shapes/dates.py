"""Which columns say when, and in which form: for data that no preset knows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from stream_rec.errors import ConfigError
from stream_rec.shapes import times
from stream_rec.shapes.values import joined, plain

CENTURY = (946_684_800.0, 2_051_222_400.0)
"""2000 to 2034, in seconds."""
_WORDS = ("time", "date", "stamp", "when", "zeit", "datum", "temps", "fecha", "hora", "tijd", "epoch")
_HOURS = frozenset({"hour", "hours", "hourofday", "eventhour", "stunde", "heure", "hora", "ora", "uur"})
_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[AaPp][Mm])?", re.ASCII)
_HAS_CLOCK, _HAS_YEAR = re.compile(r"\d:\d\d", re.ASCII), re.compile(r"(?<!\d)(19|20)\d\d(?!\d)", re.ASCII)
_DAYS = ("%d.%m.%Y", "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_PATTERNS = (
    "%Y%m%d", "%Y%m%d %H", "%Y%m%d %H:%M", "%Y%m%d %H:%M:%S", "%Y-%m-%d %H", "%Y-%m-%d %H:%M", "%Y-%m-%d %I:%M %p",
    "%Y-%m-%d %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%d.%m.%Y %H", "%d/%b/%Y:%H:%M:%S %z",
    "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S %z",
    *(day + clock for day in _DAYS for clock in _TIMES),
)  # fmt: skip
"""Patterns that cannot be taken for one another."""
_EITHER_DAY = tuple(
    f"{day}{clock}"
    for day in ("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y")
    for clock in ("", " %H", " %H:%M", " %H:%M:%S")
)
"""03/04/2020 is either March or April: one of these is taken only if no other fits."""


_DAY_NUMBERS = (10_957, 23_741)
"""2000 to 2034, in days since the epoch."""
_DAY_WORDS = re.compile(r"date|day|datum|tag$|jour|fecha|dia$|giorno|(^|[^a-z])data$")
_UNMISTAKABLE = ((1.26e12, 2.05e12), (1.26e15, 2.05e15))
"""2010 to 2034 in milli- and microseconds: what Debezium and Java write."""
_IDS = re.compile(
    r"(id|ids|key|code|sku|ean|gtin|upc|isbn|asin|phone|number|nr|no|hash|version|lsn|seq|amount|price)$"
)
_SPREAD = 0.4
"""Of times that stand together, as a share of what `_UNMISTAKABLE` spans: ten years."""


def are_days(path: str, given: Sequence[Any], *, is_row: bool = False) -> bool:
    """Are they days since the epoch, as Debezium and Avro write dates?

    Args:
        path: whose name must speak of days, or of a row of a database.
        given: its values.
        is_row: do they come from a database?
    """
    if not (is_row or _DAY_WORDS.search(path.lower())):
        return False
    found = [times.number(value) for value in given]
    low, high = _DAY_NUMBERS
    return bool(found) and all(one is not None and one.is_integer() and low <= one < high for one in found)


def by_value(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Columns that hold times by their values alone, whatever they are called: 13 or 16 digits, near one another."""
    found = []
    for path, given in columns.items():
        numbers = [times.number(value) for value in given]
        if (
            _IDS.search(re.sub(r"[^a-z]", "", path.rpartition(".")[2].lower()))
            or None in numbers
            or not numbers
        ):
            continue
        sizes = [one for one in numbers if one is not None]
        for low, high in _UNMISTAKABLE:
            if low < min(sizes) and max(sizes) < high and max(sizes) - min(sizes) < _SPREAD * (high - low):
                found.append(path)
    return found


def moment(columns: Mapping[str, Sequence[Any]], names: Sequence[str]) -> str | None:
    """The column that says when, by what stands in it; None = there is none.

    Args:
        columns: the values of each, without nulls.
        names: that columns of times have, without what is no letter or digit.

    Raises:
        ConfigError: one does, in a form that has to be told.
    """
    for path, given in columns.items():
        if _is_moment(path, given):
            return path
    for path, given in columns.items():
        shown = f"{given[0]!a}"
        if _is_either_day(given):
            raise ConfigError(
                f"{path} has dates such as {shown}, which are either of two days",
                fix=f"set ts = '{path}', and unit = '%d/%m/%Y' or '%m/%d/%Y' (with %H:%M:%S if there is a time)",
            )
        if _may_be_moment(path, given, names):
            raise ConfigError(
                f"{path} looks like a time, but {shown} is of no form that is known",
                fix=f"set ts = '{path}', and unit = its pattern, such as '%d/%m/%y %H:%M' (a zone as %z); or "
                "ts = '@row' if it is none",
            )
    return None


def of_day(path: str, others: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """A path of moments, and their strptime pattern (empty = they need none): a day joined with its time of day.

    Args:
        path: of days, or of moments: then it stays as it is.
        others: paths that may be of a time of day.
        rows: values by path.

    Raises:
        ConfigError: day and time of day stand in two columns, in a form that is not known.
    """
    given = [value for row in rows if (value := row.get(path)) not in (None, "")]
    pattern = pattern_of(given) or ""
    if not all(map(_is_day, given)) or "%H" in pattern or "%I" in pattern:
        return path, pattern
    place = path.rpartition(".")[0]
    beside = [one for one in others if one != path and one.rpartition(".")[0] == place]
    clock = next((one for one in beside if _is_clock(one, [row.get(one) for row in rows])), None)
    if clock is None:
        return path, pattern
    both = f"{path} + ' ' + {clock}"
    texts = [text for row in rows if (text := joined(row.get(path), " ", row.get(clock)))]
    pattern = pattern_of(texts) or ""
    if texts and not pattern and not all(times.reader("auto")(text) is not None for text in texts):
        raise ConfigError(
            f"{path} and {clock} are a day and its time, and {texts[0]!a} is of no form that is known",
            fix=f"set ts = \"{both}\", and unit = its pattern, such as '%d/%m/%Y %H:%M'",
        )
    return both, pattern


def pattern_of(values: Sequence[Any]) -> str | None:
    """The strptime pattern of dates that are neither numbers nor ISO 8601; None = they need none, or none fits all."""
    texts = [text for value in values if (text := plain(value))]
    read = times.reader("auto")
    if not texts or (
        all(read(text) is not None for text in texts) and not all(map(times.is_compact_date, texts))
    ):
        return None
    if fitting := _fitting(_PATTERNS, texts):
        return fitting[0]
    either = _fitting(_EITHER_DAY, texts)
    return either[0] if len(either) == 1 else None


def _fitting(patterns: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Those that read all; the first text alone rules most of them out."""
    fit = [each for each in patterns if times.reader(each)(texts[0]) is not None]
    return [each for each in fit if all(times.reader(each)(text) is not None for text in texts)]


def _is_day(value: Any) -> bool:
    if isinstance(value, date):
        return not isinstance(value, datetime)
    text = plain(value)
    return (
        text is not None and ":" not in text and (times.number(text) is None or times.is_compact_date(text))
    )


def _is_clock(path: str, given: Sequence[Any]) -> bool:
    """Are they times of day, or hours?"""
    there = [value for value in given if value not in (None, "")]
    if not there:
        return False
    if all(isinstance(value, time) or _CLOCK.fullmatch(plain(value) or "") for value in there):
        return True
    name = re.sub(r"[^a-z]", "", path.rpartition(".")[2].lower())
    hours = [times.number(value) for value in there]
    return name in _HOURS and all(hour is not None and hour in range(24) for hour in hours)


def _is_moment(path: str, given: Sequence[Any]) -> bool:
    """Are they times by their form: dates; numbers of this century in some unit, if the name speaks of a time?"""
    if isinstance(given[0], date):
        return True
    if times.number(given[0]) is None:
        texts = [value for value in given if isinstance(value, str)]
        return bool(texts) and (
            all(times.iso(text) is not None for text in texts) or pattern_of(texts) is not None
        )
    found = [times.reader("auto")(value) for value in given]
    return _speaks(path) and all(one is not None and CENTURY[0] < one < CENTURY[1] for one in found)


def _is_either_day(given: Sequence[Any]) -> bool:
    texts = [value for value in given if isinstance(value, str)]
    return len(texts) == len(given) and len(_fitting(_EITHER_DAY, texts)) > 1


def _may_be_moment(path: str, given: Sequence[Any], names: Sequence[str]) -> bool:
    """Texts with a year or a clock in each; with both, whatever the column is called."""
    if not all(isinstance(value, str) for value in given):
        return False
    has_clock = all(map(_HAS_CLOCK.search, given))
    has_year = all(map(_HAS_YEAR.search, given))
    is_named = _speaks(path) or re.sub(r"[^a-z0-9]", "", path.rpartition(".")[2].lower()) in names
    return (has_clock or has_year) if is_named else (has_clock and has_year)


def _speaks(path: str) -> bool:
    return any(word in path.lower() for word in _WORDS)
