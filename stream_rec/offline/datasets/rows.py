"""A log's rows in the one form that everything here reads, and what is made of them: records, or batches."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import polars as pl

from stream_rec.schemas.columns import EventBatch, IdColumn, Span
from stream_rec.schemas.records import Context, Interaction

LOG_SCHEMA: dict[str, type[pl.DataType]] = {
    "user_id": pl.String,
    "item_id": pl.String,
    "session_id": pl.String,
    "ts": pl.Float64,
    "event_type": pl.String,
    "value": pl.Float64,
    "event_id": pl.String,
    "split": pl.String,
    "context": pl.String,
}
"""The one form: ts in seconds, context as a JSON object, null = not given. A row without user, item or ts is bad."""

REQUIRED = ("user_id", "item_id", "ts")

_context = msgspec.json.Decoder(Context)


def good_rows(log: pl.DataFrame) -> pl.DataFrame:
    """The rows that have a user, an item and a time."""
    return log.filter(pl.all_horizontal(pl.col(*REQUIRED).is_not_null()) & pl.col("ts").is_finite())


def to_interactions(log: pl.DataFrame) -> Iterator[Interaction | None]:
    """One interaction per row, in order; None for a bad row."""
    names = ("user_id", "item_id", "event_type", "ts", "event_id", "session_id", "value", "context")
    for user, item, kind, ts, event_id, session, value, context in zip(
        *(log[name].to_list() for name in names), strict=True
    ):
        if user is None or item is None or ts is None:
            yield None
            continue
        try:
            extra = _context.decode(context) if context else None
        except msgspec.DecodeError:
            yield None
            continue
        yield Interaction(user, item, kind, ts, event_id, session, value, extra)


def to_batches(log: pl.DataFrame, size: int, *, start: int = 0, partition: int = 0) -> Iterator[EventBatch]:
    """The rows as batches of one partition of `events`, as if the log began at offset `start`.

    The broker's timestamp is the event's. For evaluation and benches, without a broker.

    Args:
        log: good rows only.
        size: rows of a batch; the last may be shorter.
        start: offset of the first row.
        partition: of the spans.
    """
    for first in range(0, len(log), size):
        rows = log.slice(first, size)
        at, n = start + first, len(rows)
        ts = rows["ts"].to_numpy().astype(np.float64)
        yield EventBatch(
            span=Span("events", partition, 0, at, at + n),
            offsets=np.arange(at, at + n, dtype=np.int64),
            broker_ts=(ts * 1000).astype(np.int64),
            ts=ts,
            users=IdColumn.of(rows["user_id"].to_list()),
            items=IdColumn.of(rows["item_id"].to_list()),
            sessions=IdColumn.of(rows["session_id"].fill_null("").to_list()),
            event_ids=IdColumn.of(rows["event_id"].fill_null("").to_list()),
            event_types=rows["event_type"].to_list(),
            values=rows["value"].fill_null(np.nan).to_numpy().astype(np.float32),
        )
