"""Events as files of a sink, without a sink: what it has of a log that is no more."""

from __future__ import annotations

import polars as pl

from stream_rec.batch.source import columns_of
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import SinkSettings
from stream_rec.sink.folder import SinkFolder
from stream_rec.sink.names import DataFile
from stream_rec.sink.tables import schema

_HOUR_SECONDS = 3600


def write_file(sink: SinkSettings, rows: pl.DataFrame, first: int, log: str) -> None:
    """One file of `events`.

    Args:
        sink: its folder.
        rows: good rows, in the form of `offline.datasets.rows.LOG_SCHEMA`; at least one.
        first: offset of the first.
        log: of which incarnation of the topic.
    """
    folder, nothing = SinkFolder(sink), pl.DataFrame(schema=schema("events"))
    told = columns_of(rows, first).with_columns(pl.col("partition").cast(pl.Int32))
    hour = int(rows["ts"][0]) // _HOUR_SECONDS
    file = DataFile(TopicPartition("events", 0), log, first, first + len(rows) - 1, hour)
    folder.stage(file, pl.concat([nothing, told], how="diagonal"))
    folder.publish(file)
