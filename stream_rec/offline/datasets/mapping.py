"""Which column of a log is what; any table of interactions in the one form of `rows.LOG_SCHEMA`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import polars as pl

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets import values
from stream_rec.offline.datasets.faults import Faults
from stream_rec.offline.datasets.rows import LOG_SCHEMA, REQUIRED
from stream_rec.offline.datasets.values import TsUnit
from stream_rec.settings.shapes import NULL_WORDS

_NAMES: dict[str, tuple[str, ...]] = {
    "user_id": ("user_id", "user", "visitor_id", "visitorid", "session_id"),
    "item_id": ("item_id", "item", "product_id", "itemid"),
    "ts": ("ts", "timestamp", "time", "event_time"),
    "event_type": (
        "event_type", "event", "action", "action_type", "behavior_type", "behavior", "behaviour", "event_name",
        "interaction_type", "interaction", "feedback_type", "type",
    ),
    "session_id": ("session_id", "session"),
    "value": ("value", "rating", "price"),
    "event_id": ("event_id",),
    "split": ("split",),
    "context": ("context",),
}  # fmt: skip
_ID_FIELDS = ("user_id", "item_id", "session_id", "event_id")


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
        ts_unit: of `ts`; `iso` = ISO 8601 text, UTC unless it says otherwise; `auto` = inferred from the first rows.
        default_event_type: see event_type.
        separator: between the columns of a CSV file.
        allow_early: read times before 1990 whose unit nobody has told, and say so; else they are no times.
        nobody: ids of users (not of sessions that are taken for users) that stand for nobody.
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
    ts_unit: TsUnit = "auto"
    default_event_type: str = "view"
    separator: str = ","
    allow_early: bool = True
    nobody: tuple[str, ...] = ()

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


@dataclass(frozen=True, slots=True)
class Form:
    """How the values of one source are written: inferred once, from its first rows, and kept for the whole source.

    Attributes:
        ts_unit: of its times; never `auto`.
        whole: fields of ids whose text is a whole number with `.0` in every row.
        is_early: times were taken for seconds and lie in the first years of the epoch.
    """

    ts_unit: TsUnit = "s"
    whole: frozenset[str] = frozenset()
    is_early: bool = False

    @classmethod
    def of(cls, frame: pl.DataFrame, mapping: ColumnMapping, where: str) -> Form:
        """Inferred from these rows.

        Raises:
            ConfigError: a column is missing.
        """
        column = mapping.resolve(frame.columns, where)
        unit = values.unit_of(frame[column["ts"]]) if mapping.ts_unit == "auto" else mapping.ts_unit
        ids = [field for field in _ID_FIELDS if field in column]
        whole = frozenset(field for field in ids if values.has_whole_numbers(frame[column[field]]))
        is_guess = mapping.ts_unit == "auto" and unit == "s"
        return cls(unit, whole, is_guess and values.are_early(frame[column["ts"]]))

    def notes(self, mapping: ColumnMapping) -> Iterator[str]:
        """What was inferred, for people."""
        if mapping.ts_unit == "auto" and self.ts_unit not in ("s", "iso"):
            unit = values.UNIT_NAMES[self.ts_unit]
            yield f"times are read as {unit} since the epoch, by their size (--ts-unit says otherwise)"
        if self.is_early:
            yield (
                "times are read as seconds since the epoch and lie before 1990: if they are dates like 20191001, or "
                "days, write them in ISO 8601; if they only count, order alone is right (--ts-unit s silences this)"
            )
        if self.whole:
            yield f"whole numbers in {', '.join(sorted(self.whole))} are read without their `.0`"


def to_log(
    frame: pl.DataFrame, mapping: ColumnMapping, where: str, form: Form | None = None, *, first: int = 0
) -> tuple[pl.DataFrame, Faults]:
    """The rows of a source in the one form, none left out.

    Args:
        frame: text columns, or typed ones.
        mapping: names of its columns.
        where: the source's name, for the error.
        form: of the values; None = inferred from these rows.
        first: position of the first row.

    Returns:
        The rows, and what could not be read of them.

    Raises:
        ConfigError: a column is missing.
    """
    column = mapping.resolve(frame.columns, where)
    form = form or Form.of(frame, mapping, where)
    nothing = pl.repeat(None, len(frame), dtype=pl.String, eager=True)
    log = {
        field: values.ids(frame[column[field]], whole=field in form.whole) if field in column else nothing
        for field in ("user_id", "item_id", "session_id", "event_type", "event_id", "split")
    }
    nothing_said = {"user_id": list(NULL_WORDS), "item_id": list(NULL_WORDS)}
    if not column["user_id"].startswith("session"):
        nothing_said["user_id"] += mapping.nobody
    for field, words in nothing_said.items():
        log[field] = log[field].set(log[field].is_in(words), None)
    log["event_type"] = log["event_type"].fill_null(mapping.default_event_type)
    log["ts"] = values.seconds(frame[column["ts"]], form.ts_unit)
    if mapping.ts_unit == "auto" and not mapping.allow_early:  # in another unit than most, say
        log["ts"] = log["ts"].set(log["ts"] < values.EARLY_SECONDS, None)
    log["value"] = values.numbers(frame[column["value"]] if "value" in column else nothing)
    log["context"] = nothing
    if mapping.context:
        log["context"] = frame.select(pl.struct(mapping.context).struct.json_encode()).to_series()
    elif "context" in column:
        log["context"] = values.ids(frame[column["context"]])
    rows = pl.DataFrame({field: log[field] for field in LOG_SCHEMA})
    given = {field: frame[name] for field, name in column.items()}
    return rows, Faults.of(rows, given, first, form.ts_unit, nothing_said)


def _no_column(problem: str, columns: Sequence[str]) -> ConfigError:
    there = ", ".join(columns[:40])
    return ConfigError(
        f"{problem}; it has {there}",
        fix="map the columns, e.g. --user-id COLUMN --ts COLUMN, or see `stream-rec shape guess FILE`",
    )
