"""The branch of the sink."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stream_rec.settings.branch import TEN_YEARS, Branch

SinkTopic = Literal["events", "items", "impressions", "slates"]


class SinkSettings(Branch):
    """The log as Parquet files (`stream-rec sink`)."""

    url: str = Field(
        "",
        description="folder, or fsspec URL such as s3://bucket/folder, that `stream-rec sink` writes to (secret)",
    )
    options: dict[str, str] = Field(
        default_factory=dict, description="options of the URL's file system, e.g. key, secret (secret)"
    )
    topics: tuple[SinkTopic, ...] = Field(
        ("events", "items", "impressions", "slates"), min_length=1, description="topics that are written"
    )
    every_seconds: float = Field(
        60.0, ge=0.05, le=3600, description="a record is in a file after this long, at the latest"
    )
    max_file_records: int = Field(
        500_000, ge=1, le=10_000_000, description="records in a file, at most; a full one is written at once"
    )
    max_pending_bytes: int = Field(
        134_217_728,
        ge=65_536,
        le=1 << 40,
        description="bytes of records that wait to be written, at most; then files are written sooner",
    )
    compact_after_seconds: float = Field(
        300.0, ge=0, le=TEN_YEARS, description="an hour's small files are joined this long after it is over"
    )
    compact_max_bytes: int = Field(
        33_554_432,
        ge=1024,
        le=1 << 32,
        description="files that are joined have so many bytes together, at most",
    )
    compact_days: int = Field(
        2, ge=0, le=366, description="days, today among them, whose files are looked at; 0 = none is joined"
    )
    retry_seconds: float = Field(
        60.0,
        ge=0,
        le=240,
        description="so long a file system that refuses is asked again, then the sink ends",
    )
