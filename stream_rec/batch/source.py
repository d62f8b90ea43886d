"""Where the events come from: the sink's files, the log itself, or a data set."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import polars as pl

from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stretches import read_through
from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.named import open_source
from stream_rec.offline.datasets.reading import Reading
from stream_rec.offline.datasets.rows import good_rows
from stream_rec.settings import Settings
from stream_rec.sink.folder import SinkFolder
from stream_rec.sink.names import DataFile, log_in_names
from stream_rec.sink.reading import files_of
from stream_rec.sink.tables import TIME, frame_of

_TOPIC = "events"


@dataclass(frozen=True, slots=True)
class Source:
    """Files of events.

    Attributes:
        paths: that Spark reads.
        digest: of which offsets they hold, or of the data set: the same data, the same digest.
    """

    paths: Sequence[str]
    digest: str


def of_sink(settings: Settings) -> Source:
    """The files of the sink, every record once.

    Raises:
        ConfigError: there are none.
        Unavailable: the folder.
    """
    folder = SinkFolder(settings.sink)
    files = files_of(folder, _TOPIC)
    if not files:
        raise ConfigError(f"no events in {settings.sink.url}", fix="run `stream-rec sink`, or give --log")
    return Source([folder.address(file) for file in files], _digest(files))


@contextmanager
def of_log(settings: Settings) -> Iterator[Source]:
    """What Kafka has of the events now, as files that are deleted afterwards.

    Raises:
        ConfigError: there is none, or Kafka refuses us.
        Unavailable: Kafka.
    """
    from stream_rec.bus.topics import log_id

    log = log_in_names(log_id(settings.bus, _TOPIC))
    bounds = OffsetReader(settings.bus).bounds([_TOPIC])
    with tempfile.TemporaryDirectory(prefix="stream-rec-batch-") as folder:
        files: list[DataFile] = []
        paths: list[str] = []
        for batch in read_through(settings.bus, bounds):
            if not len(batch):
                continue
            frame, _ = frame_of(batch, settings.ingest)
            files.append(DataFile(batch.tp, log, batch.start, batch.next - 1, 0))
            paths.append(str(Path(folder) / files[-1].name))
            frame.write_parquet(paths[-1])
        if not files:
            raise ConfigError("no events in the log", fix="publish some, or give the folder of the sink")
        yield Source(paths, _digest(files))


@contextmanager
def of_data(name: str, settings: Settings) -> Iterator[Source]:
    """A file or a data set by name, as files that are deleted afterwards.

    Raises:
        ConfigError: there is none, it cannot be read, or holds no event.
    """
    log = open_source(name, settings.data, reading=Reading(shapes=settings.shapes))
    with tempfile.TemporaryDirectory(prefix="stream-rec-batch-") as folder:
        paths: list[str] = []
        for chunk in log.chunks():
            frame = columns_of(good_rows(chunk.log), chunk.first)
            if len(frame):
                paths.append(str(Path(folder) / f"{len(paths):06}.parquet"))
                frame.write_parquet(paths[-1])
        if not paths:
            raise ConfigError(f"{name} holds no event", fix=f"`stream-rec shape try {name}` says why")
        yield Source(paths, sha256(log.identity.encode()).hexdigest()[:16])


def columns_of(rows: pl.DataFrame, first: int) -> pl.DataFrame:
    """Of good rows, those of the sink's columns that a training reads; `first` is the first row's offset."""
    return rows.select(
        "user_id",
        "item_id",
        (pl.col("ts") * 1e6).round().cast(pl.Int64).cast(TIME),
        "event_type",
        "value",
        pl.lit(0).alias("partition"),
        (pl.int_range(pl.len(), dtype=pl.Int64) + first).alias("offset"),
    )


def _digest(files: Sequence[DataFile]) -> str:
    """Of the offsets, whatever files they stand in: joining small ones changes nothing."""
    joined: list[tuple[str, int, str, int, int]] = []
    for file in sorted(files):
        key = (*file.tp, file.log)
        if joined and joined[-1][:3] == key and joined[-1][4] + 1 == file.first:
            joined[-1] = (*key, joined[-1][3], file.last)
        else:
            joined.append((*key, file.first, file.last))
    return sha256(repr(joined).encode()).hexdigest()[:16]
