"""The columns of each topic's files, and how a batch of messages becomes rows: a column at a time, not a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import polars as pl

from stream_rec.bus.batch import Fetched
from stream_rec.errors import ContractError
from stream_rec.schemas import codec
from stream_rec.schemas.columns import Rejected
from stream_rec.schemas.item_changes import item_change
from stream_rec.schemas.reading import UNREADABLE
from stream_rec.schemas.records import Item, Slate, TopicName
from stream_rec.settings import IngestSettings

_MICROSECONDS = 1e6
TIME = pl.Datetime("us", "UTC")
_encoder = msgspec.json.Encoder()


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        name: its own, and the record's field's unless `of` says otherwise.
        dtype: its type. Of a `TIME` the record has seconds since the epoch, rounded to microseconds here.
        text: what it holds.
        of: what it holds of one row; by default the field with its name.
        is_json: whether it is a map, written as JSON.
    """

    name: str
    dtype: pl.DataType
    text: str
    of: Callable[[Any], Any] | None = None
    is_json: bool = False

    def series(self, rows: Sequence[Any]) -> pl.Series:
        """The column of these rows."""
        values = list(map(self.of or attrgetter(self.name), rows))
        if self.is_json:
            values = [None if value is None else _encoder.encode(value).decode() for value in values]
        if isinstance(self.dtype, pl.Struct | pl.List) and isinstance(_inner(self.dtype), pl.Struct):
            return self._nested(values)
        if self.dtype == TIME:
            seconds = pl.Series(self.name, values, pl.Float64)
            return (seconds * _MICROSECONDS).round().cast(pl.Int64).cast(TIME)
        return pl.Series(self.name, values, self.dtype)

    def _nested(self, values: list[Any]) -> pl.Series:
        """Records in records, by way of JSON: a tenth of the time that polars takes for Python's objects."""
        lines = b"\n".join(_encoder.encode({self.name: value}) for value in values)
        return pl.read_ndjson(lines, schema={self.name: self.dtype})[self.name] if lines else self._empty()

    def _empty(self) -> pl.Series:
        return pl.Series(self.name, [], self.dtype)


class Rows(NamedTuple):
    """What was read of a batch, in log order.

    Attributes:
        offsets, timestamps: of the rows.
        rows: one for each; what it is, the topic's columns know.
        rejected: the messages that are no records.
    """

    offsets: Sequence[int]
    timestamps: Sequence[int]
    rows: Sequence[Any]
    rejected: Sequence[Rejected]


class Table(NamedTuple):
    """How a topic is read and what its files hold.

    Attributes:
        read: messages to rows; never raises for what is in a message.
        columns: beside those of the log.
    """

    read: Callable[[Fetched, IngestSettings], Rows]
    columns: tuple[Column, ...]


def _inner(dtype: Any) -> Any:
    return dtype.inner if isinstance(dtype, pl.List) else dtype


def _events(batch: Fetched, rules: IngestSettings) -> Rows:
    rows = codec.read_interactions(batch, rules)
    return Rows(rows.offsets, rows.broker_ts, rows.records, rows.rejected)


def _impressions(batch: Fetched, rules: IngestSettings) -> Rows:
    rows = codec.read_impressions(batch, rules)
    return Rows(rows.offsets, rows.broker_ts, rows.records, rows.rejected)


class _ItemRow(NamedTuple):
    """A change of the catalogue; what a removed item was is not said."""

    item_id: str
    removed: bool
    item: Item


def _items(batch: Fetched, rules: IngestSettings) -> Rows:
    def read(key: bytes | None, value: bytes | None, stamp: int) -> _ItemRow:
        item_id, item, _ = item_change(key, value, stamp, rules)
        return _ItemRow(item_id, item is None, item or Item(item_id, available=False))

    return _one_by_one(batch, read)


def _slates(batch: Fetched, _: IngestSettings) -> Rows:
    decode = msgspec.json.Decoder(Slate).decode

    def read(_: bytes | None, value: bytes | None, __: int) -> Slate:
        try:
            return decode(value or b"")
        except UNREADABLE as error:
            raise ContractError("not_json", str(error)) from None

    return _one_by_one(batch, read)


def _one_by_one(batch: Fetched, read: Callable[[bytes | None, bytes | None, int], Any]) -> Rows:
    offsets, stamps, rows, rejected = [], [], [], []
    for key, value, offset, stamp in zip(
        batch.keys, batch.values, batch.offsets, batch.timestamps, strict=True
    ):
        try:
            rows.append(read(key, value, stamp))
        except ContractError as error:
            rejected.append(Rejected(offset, stamp, error.reason, error.detail, value or b"", key))
            continue
        offsets.append(offset)
        stamps.append(stamp)
    return Rows(offsets, stamps, rows, rejected)


def _of_item(name: str) -> Callable[[_ItemRow], Any]:
    of = attrgetter(f"item.{name}")
    return of if name != "ts" else lambda row: row.item.ts or None


_TEXTS = pl.List(pl.String())
_AS_OF = pl.Struct(
    {
        "log": pl.String(),
        "partition": pl.Int32(),
        "offset": pl.Int64(),
        "broker_ts": pl.Int64(),
        "event_ts": pl.Float64(),
        "rules": pl.Int64(),
    }
)
_PLACES = pl.List(
    pl.Struct(
        {
            "item_id": pl.String(),
            "score": pl.Float64(),
            "reason": pl.Struct({"source": pl.String(), "item_id": pl.String()}),
            "by": pl.String(),
            "propensity": pl.Float64(),
            "team": pl.String(),
        }
    )
)

TABLES: dict[TopicName, Table] = {
    "events": Table(
        _events,
        (
            Column("user_id", pl.String(), "who"),
            Column("item_id", pl.String(), "with what"),
            Column("event_type", pl.String(), "what was done: `view`, `click`, ..."),
            Column("ts", TIME, "event time, the client's clock"),
            Column("event_id", pl.String(), "the producer's id of the event; repeats are rows, too"),
            Column("session_id", pl.String(), "the producer's session"),
            Column("value", pl.Float64(), "rating, dwell seconds or price, as `engine.event_types` says"),
            Column("context", pl.String(), "anything else, a map as JSON", is_json=True),
            Column("slate_id", pl.String(), "the slate that it came from; null = not named"),
        ),
    ),
    "items": Table(
        _items,
        (
            Column("item_id", pl.String(), "the item"),
            Column("removed", pl.Boolean(), "true: the item was removed; the other columns say nothing"),
            *(
                Column(name, dtype, text, _of_item(name), is_json=name == "attributes")
                for name, dtype, text in (
                    ("title", pl.String(), "for people"),
                    ("tags", _TEXTS, "categories, brands, genres"),
                    ("ts", TIME, "when it appeared; null = not given"),
                    ("available", pl.Boolean(), "false: not to be recommended for now"),
                    ("hidden", pl.Boolean(), "true: never to be recommended"),
                    ("price", pl.Float64(), "in the shop's currency"),
                    ("available_from", TIME, "recommended from then on"),
                    ("available_until", TIME, "and until then"),
                    ("owner", pl.String(), "brand, author, seller, channel"),
                    ("description", pl.String(), "for people, and for what is alike"),
                    ("image", pl.String(), "address of a picture"),
                    ("link", pl.String(), "address of its page"),
                    ("attributes", pl.String(), "the shop's own, a map as JSON"),
                )
            ),
        ),
    ),
    "impressions": Table(
        _impressions,
        (
            Column("slate_id", pl.String(), "of the slate that was shown"),
            Column("user_id", pl.String(), "to whom"),
            Column("ts", TIME, "when, the client's clock"),
            Column("items", _TEXTS, "item ids in the order shown"),
            Column("scenario", pl.String(), "where"),
            Column("propensities", pl.List(pl.Float64()), "of each item at its place; null = unknown"),
            Column("variant", pl.String(), "arm of an experiment"),
            Column("experiment", pl.String(), "the experiment"),
            Column("teams", _TEXTS, "of each item, the arm that brought it; null = one arm"),
        ),
    ),
    "slates": Table(
        _slates,
        (
            Column("slate_id", pl.String(), "of this slate; an impression names it"),
            Column("user_id", pl.String(), "whose"),
            Column("scenario", pl.String(), "where it is to be shown"),
            Column("model", pl.String(), "version of the engine and its settings"),
            Column("created_ts", TIME, "when it was made, the worker's clock"),
            Column("items", _PLACES, "best first; fields as in schemas/README.md"),
            Column("as_of", _AS_OF, "up to which event it knows; `rules` null = no decision"),
            Column("relaxed", pl.String(), "the rule that gave way; null = none"),
            Column("experiment", pl.String(), "whose arm made it; null = none"),
            Column("variant", pl.String(), "the arm"),
            Column("variant_propensity", pl.Float64(), "the arm's share of the experiment's users"),
        ),
    ),
}
LOG_COLUMNS = (
    Column("topic", pl.String(), "without the tenant's prefix"),
    Column("partition", pl.Int32(), "of the topic"),
    Column("offset", pl.Int64(), "in the partition; with topic and partition, a row's identity"),
    Column("timestamp", pl.Datetime("ms", "UTC"), "the broker's, when the record came into the log"),
)


def schema(topic: TopicName) -> dict[str, pl.DataType]:
    """Names and types of the columns of a topic's files, in order."""
    return {column.name: column.dtype for column in (*TABLES[topic].columns, *LOG_COLUMNS)}


def frame_of(batch: Fetched, rules: IngestSettings) -> tuple[pl.DataFrame, Sequence[Rejected]]:
    """The rows of a batch, and the messages that are none."""
    table = TABLES[batch.topic]
    read = table.read(batch, rules)
    frame = pl.DataFrame([column.series(read.rows) for column in table.columns])
    log = [
        pl.lit(batch.topic).alias("topic"),
        pl.lit(batch.partition, pl.Int32).alias("partition"),
        pl.Series("offset", read.offsets, pl.Int64),
        pl.Series("timestamp", read.timestamps, pl.Int64).cast(pl.Datetime("ms", "UTC")),
    ]
    return frame.with_columns(log), read.rejected
