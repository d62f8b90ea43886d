"""A log's rows in the one form that everything here reads, and what is made of them: records, or batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from stream_rec.errors import ContractError
from stream_rec.schemas.coercion import flat, parsed
from stream_rec.schemas.columns import EventBatch, IdColumn, Span
from stream_rec.schemas.records import Context, Interaction
from stream_rec.schemas.validation import TS_END

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
"""The one form: ts in seconds, context as a JSON object, null = not given.

A row without user, item or ts is bad, and so is one with a line end in an id: a quote was not closed."""

REQUIRED = ("user_id", "item_id", "ts")


def ignored(_field: str, _text: str) -> None:
    """What nobody asks for."""


def good_rows(log: pl.DataFrame) -> pl.DataFrame:
    """The rows that have a user, an item and a time."""
    bad = bad_rows(log)
    return log.filter(~(bad["user_id"] | bad["item_id"] | bad["ts"]))


def bad_rows(log: pl.DataFrame) -> dict[str, pl.Series]:
    """By required field, the rows that cannot be read because of it, bool [n]; a row counts for its first such."""
    line_end = [
        pl.col(name).str.contains("\n", literal=True).fill_null(True) for name in ("user_id", "item_id")
    ]
    no_time = ~pl.col("ts").is_between(0, TS_END, closed="left").fill_null(False)
    tests = log.select(user_id=line_end[0], item_id=line_end[1], ts=no_time)
    return {
        "user_id": tests["user_id"],
        "item_id": tests["item_id"] & ~tests["user_id"],
        "ts": tests["ts"] & ~tests["user_id"] & ~tests["item_id"],
    }


def to_interactions(
    log: pl.DataFrame, left_out: Callable[[str, str], None] = ignored
) -> Iterator[Interaction | None]:
    """One interaction per row, in order; None for a bad row.

    Args:
        log: in the one form.
        left_out: told the field and the text of what was left out of a row: a context is taken as far as it is flat.
    """
    bad = bad_rows(log)
    names = ("user_id", "item_id", "event_type", "ts", "event_id", "session_id", "value", "context")
    any_bad = (bad["user_id"] | bad["item_id"] | bad["ts"]).to_list()
    for is_bad, user, item, kind, ts, event_id, session, value, context in zip(
        any_bad, *(log[name].to_list() for name in names), strict=True
    ):
        if is_bad:
            yield None
            continue
        extra = _context(context, left_out) if context else None
        yield Interaction(user, item, kind, ts, event_id, session, value, extra)


def _context(text: str, left_out: Callable[[str, str], None]) -> Context | None:
    try:
        good, is_whole = flat(parsed(text))
    except ContractError:
        good, is_whole = None, False
    if not is_whole:
        left_out("context", text)
    return good


def _context_tags(contexts: pl.Series) -> IdColumn:
    if contexts.null_count() == len(contexts):
        return IdColumn.none(len(contexts))
    tags = [(_context(text, ignored) or {}).get("tag") if text else None for text in contexts.to_list()]
    return IdColumn.of([tag if isinstance(tag, str) else "" for tag in tags])


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
            context_tags=_context_tags(rows["context"]),
            slate_ids=IdColumn.none(len(rows)),
        )
