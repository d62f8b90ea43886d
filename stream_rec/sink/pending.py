"""What has been read of one partition and is in no file yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

import polars as pl

from stream_rec.bus.batch import Columns, Fetched
from stream_rec.schemas.columns import Rejected
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import IngestSettings
from stream_rec.sink.names import HOUR_MS, DataFile
from stream_rec.sink.tables import frame_of

_RECORD_BYTES = 250
"""Of memory for a record, beside its key and value."""
_SLICE = 20_000
"""Records decoded at once: what they are as Python objects takes several times their bytes."""


@dataclass(slots=True)
class Pending:
    """Records in log order, from the position on that the files of the partition end with.

    Attributes:
        tp: the partition.
        log: the incarnation of its topic.
        start: the first offset that is in no file.
        next: the offset that is read next.
        since: when the first record came, by a monotonic clock; None = there is none.
        n_bytes: about what they take.
    """

    tp: TopicPartition
    log: str
    start: int
    next: int
    since: float | None = None
    n_bytes: int = 0
    columns: Columns = field(default_factory=Columns)

    def __len__(self) -> int:
        """How many records."""
        return len(self.columns)

    def add(self, batch: Fetched, now: float) -> None:
        """Take in a batch that begins where the last one ended."""
        if len(batch) and self.since is None:
            self.since = now
        self.next = batch.next
        self.columns.keys += batch.keys
        self.columns.values += batch.values
        self.columns.offsets += batch.offsets
        self.columns.timestamps += batch.timestamps
        texts = chain(batch.keys, batch.values)
        self.n_bytes += _RECORD_BYTES * len(batch) + sum(map(len, filter(None, texts)))

    def take(self, most: int) -> list[Fetched]:
        """All records, cut where a file ends; none is pending afterwards.

        Offsets without a record are in the file of the record before or, where there is none, in the next file.
        A file ends after `most` records, and before a record of a later hour than its first one. (One of an earlier
        hour stays: clocks of brokers differ, and a file for each change would be one for each record.)
        """
        if not self.columns:
            return []
        whole = self.columns.fetched(self.tp, 0, self.start, self.next)
        self.columns, self.start, self.since, self.n_bytes = Columns(), self.next, None, 0
        return [part for piece in _by_hour(whole) for part in piece.slices(most)]

    def file(self, part: Fetched) -> DataFile:
        """What the file with this part, which holds a record, is called."""
        return DataFile(self.tp, self.log, part.start, part.next - 1, _hour(part.timestamps[0]))


def rows_of(part: Fetched, rules: IngestSettings) -> tuple[pl.DataFrame, list[Rejected]]:
    """The rows of a file, and the messages that are none."""
    frames: list[pl.DataFrame] = []
    rejected: list[Rejected] = []
    for piece in part.slices(_SLICE):
        frame, flaws = frame_of(piece, rules)
        frames.append(frame)
        rejected += flaws
    return pl.concat(frames), rejected


def _by_hour(batch: Fetched) -> Iterator[Fetched]:
    rest = batch
    while len(rest):
        end = (_hour(rest.timestamps[0]) + 1) * HOUR_MS
        if max(rest.timestamps) < end:
            break
        cut = next(offset for offset, ts in zip(rest.offsets, rest.timestamps, strict=True) if ts >= end)
        yield rest.before(cut)
        rest = rest.since(cut)
    yield rest


def _hour(timestamp_ms: int) -> int:
    """Hours since the epoch; without a timestamp (negative) the first."""
    return max(0, timestamp_ms) // HOUR_MS
