"""Which column of a log is what; any table of interactions in the one form of `rows.LOG_SCHEMA`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Literal

import polars as pl

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.rows import LOG_SCHEMA, REQUIRED

TsUnit = Literal["s", "ms", "us", "iso"]

_NAMES: dict[str, tuple[str, ...]] = {
    "user_id": ("user_id", "user", "visitor_id", "visitorid", "session_id"),
    "item_id": ("item_id", "item", "product_id", "itemid"),
    "ts": ("ts", "timestamp", "time", "event_time"),
    "event_type": ("event_type", "event", "action"),
    "session_id": ("session_id", "session"),
    "value": ("value", "rating", "price"),
    "event_id": ("event_id",),
    "split": ("split",),
    "context": ("context",),
}


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Names of a log's columns. None = the first that is there of the usual names (`user_id`, `user`, ...).

    Attributes:
        user_id: who; a log with sessions and no users takes `session_id`.
        item_id: with what.
        ts: when.
        event_type: what was done; without such a column every event is of `default_event_type`.
        session_id: optional.
        value: optional.
        event_id: optional.
        split: optional; `train` or `test`, where a benchmark says so.
        context: further columns that go into the events' context.
        ts_unit: of numbers in `ts`; `iso` = ISO 8601 text, UTC unless it says otherwise.
        default_event_type: see event_type.
        separator: between the columns of a CSV file.
    """

    user_id: str | None = None
    item_id: str | None = None
    ts: str | None = None
    event_type: str | None = None
    session_id: str | None = None
    value: str | None = None
    event_id: str | None = None
    split: str | None = None
    context: tuple[str, ...] = ()
    ts_unit: TsUnit = "s"
    default_event_type: str = "view"
    separator: str = ","

    def key(self) -> str:
        """A text that differs where mappings differ."""
        return repr([getattr(self, field.name) for field in fields(self)])

    def resolve(self, columns: Sequence[str], where: str) -> dict[str, str]:
        """The source column of every field of the log that has one.

        Args:
            columns: that the source has.
            where: its name, for the error.

        Raises:
            ConfigError: a column that was named is not there, or a required field has none.
        """
        found: dict[str, str] = {}
        for field, names in _NAMES.items():
            named = None if field == "context" else getattr(self, field)
            usual = next((name for name in names if name in columns), None)
            column = named or usual
            if named and named not in columns:
                raise _no_column(f"{where} has no column {named!r} for {field}", columns)
            if column is None and field in REQUIRED:
                raise _no_column(f"{where} has no column for {field}", columns)
            if column is not None:
                found[field] = column
        for column in self.context:
            if column not in columns:
                raise _no_column(f"{where} has no column {column!r} for context", columns)
        return found


def to_log(frame: pl.DataFrame, mapping: ColumnMapping, where: str) -> pl.DataFrame:
    """The rows of a source in the one form, none left out.

    Args:
        frame: text columns, or typed ones.
        mapping: names of its columns.
        where: the source's name, for the error.

    Raises:
        ConfigError: a column is missing.
    """
    column = mapping.resolve(frame.columns, where)
    texts = [
        _text(frame, column[field]).alias(field) if field in column else pl.Series(field, [None], pl.String)
        for field in ("user_id", "item_id", "session_id", "event_type", "event_id", "split")
    ]
    context: pl.Series = pl.Series("context", [None], pl.String)
    if mapping.context:
        context = frame.select(pl.struct(mapping.context).struct.json_encode().alias("context")).to_series()
    elif "context" in column:
        context = _text(frame, column["context"]).alias("context")
    value = pl.Series("value", [None], pl.Float64)
    if "value" in column:
        value = frame[column["value"]].cast(pl.Float64, strict=False).alias("value")
    columns = [*texts, _seconds(frame[column["ts"]], mapping.ts_unit).alias("ts"), value, context]
    n = len(frame)
    spread = [s if len(s) == n else s.new_from_index(0, n) for s in columns]
    log = pl.DataFrame(spread).with_columns(pl.col("event_type").fill_null(mapping.default_event_type))
    return log.select(list(LOG_SCHEMA))


def _text(frame: pl.DataFrame, column: str) -> pl.Series:
    """Text as it stands; empty is null."""
    text = frame[column].cast(pl.String)
    return text.set(text == "", None)


def _seconds(column: pl.Series, unit: TsUnit) -> pl.Series:
    if isinstance(column.dtype, pl.Datetime | pl.Date):
        return column.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
    if unit == "iso":
        return pl.Series([_iso(text) for text in column.cast(pl.String).to_list()], dtype=pl.Float64)
    per_second = {"s": 1.0, "ms": 1e3, "us": 1e6}[unit]
    seconds = column.cast(pl.Float64, strict=False)
    return seconds if unit == "s" else seconds / per_second


def _iso(text: str | None) -> float | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _no_column(problem: str, columns: Sequence[str]) -> ConfigError:
    there = ", ".join(columns[:40])
    return ConfigError(f"{problem}; it has {there}", fix="map the columns, e.g. --user-id COLUMN --ts COLUMN")
