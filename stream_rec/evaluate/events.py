"""Logs as the batches that the engine learns from, without a broker."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from producers.rows import to_batches
from schemas.batch import EventBatch


def batches(frame: pl.DataFrame, *, size: int, start: int = 0, partition: int = 0) -> Iterator[EventBatch]:
    """The rows in their order as batches of one partition of `events`.

    Args:
        frame: good rows in the form of `producers.rows.LOG_SCHEMA` (as `producers.datasets.load_columns` gives them;
            a log of sessions alone has the session as its user).
        size: rows of a batch; the last may be shorter.
        start: offset of the first row.
        partition: of the spans.
    """
    return to_batches(frame, size, start=start, partition=partition)
