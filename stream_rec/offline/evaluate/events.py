"""Logs as the batches that the engine learns from, without a broker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from stream_rec.offline.datasets.rows import to_batches
from stream_rec.schemas.columns import EventBatch, IdColumn


def batches(frame: pl.DataFrame, *, size: int, start: int = 0, partition: int = 0) -> Iterator[EventBatch]:
    """The rows in their order as batches of one partition of `events`.

    Args:
        frame: good rows in the form of `offline.datasets.rows.LOG_SCHEMA`, as `offline.datasets.named.load_columns`
            gives them; a log of sessions alone has the session as its user.
        size: rows of a batch; the last may be shorter.
        start: offset of the first row.
        partition: of the spans.
    """
    return to_batches(frame, size, start=start, partition=partition)


def part(batch: EventBatch, first: int, last: int) -> EventBatch:
    """Events first..last - 1 of a batch of `batches`, whose offsets have no gaps."""
    start = batch.span.start
    return EventBatch(
        span=replace(batch.span, start=start + first, next=start + last),
        offsets=batch.offsets[first:last],
        broker_ts=batch.broker_ts[first:last],
        ts=batch.ts[first:last],
        users=_ids(batch.users, first, last),
        items=_ids(batch.items, first, last),
        sessions=_ids(batch.sessions, first, last),
        event_ids=_ids(batch.event_ids, first, last),
        event_types=batch.event_types[first:last],
        values=batch.values[first:last],
        context_tags=_ids(batch.context_tags, first, last),
        slate_ids=_ids(batch.slate_ids, first, last),
    )


def _ids(ids: IdColumn, first: int, last: int) -> IdColumn:
    start = int(ids.ends[first - 1]) if first else 0
    end = int(ids.ends[last - 1]) if last else 0
    return IdColumn(ids.data[start:end], ids.ends[first:last] - start)
