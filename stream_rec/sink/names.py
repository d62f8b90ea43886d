"""What a file is called, and what its name says: topic, partition, log, and the offsets that it answers for.

`events/date=2026-11-29/hour=07/events.3.5WQ1rGqBQ1Sm3cVvZ0aZcg.00000000000000001000-00000000000000001999.parquet`
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from stream_rec.schemas.partition import TopicPartition

STAGED = "_staged"
"""Folder of files that are not published yet. Hadoop's readers pass over names that begin with `_`."""
HOUR_MS = 3_600_000
_NAME = re.compile(
    r"(?P<topic>[a-z-]+)\.(?P<partition>\d{1,9})\.(?P<log>[A-Za-z0-9_-]+)\.(?P<first>\d{20})-(?P<last>\d{20})\.parquet"
)
_HOUR = re.compile(r"date=(\d{4}-\d{2}-\d{2})/hour=(\d{2})")


class DataFile(NamedTuple):
    """A Parquet file of a partition.

    Attributes:
        tp: whose records it holds.
        log: the incarnation of the topic (`log_in_names` of its id); offsets of two logs cannot be compared.
        first: the first offset that it answers for.
        last: the last one. Offsets in between without a row hold no record, or one that could not be read.
        hour: the hour of its first record, in hours since the epoch.
    """

    tp: TopicPartition
    log: str
    first: int
    last: int
    hour: int

    @property
    def name(self) -> str:
        """Without its folder."""
        return f"{self.tp.topic}.{self.tp.partition}.{self.log}.{self.first:020}-{self.last:020}.parquet"

    @property
    def path(self) -> str:
        """Where it stands once it is published, from the sink's folder on."""
        return f"{folder_of(self.tp.topic, self.hour)}/{self.name}"

    @property
    def staged(self) -> str:
        """Where it stands until then. Its hour is in the name: whoever finds it knows where it belongs."""
        return f"{STAGED}/{self.hour}.{self.name}"

    def overlaps(self, other: DataFile) -> bool:
        """Do both answer for an offset of the same log?"""
        same = self.tp == other.tp and self.log == other.log
        return same and self.first <= other.last and other.first <= self.last

    def covers(self, other: DataFile) -> bool:
        """Does it answer for all that the other one does?"""
        return self.overlaps(other) and self.first <= other.first and other.last <= self.last


def log_in_names(log_id: str) -> str:
    """A topic's id as it stands in names: librdkafka writes it in base64 with `+` and `/`."""
    return log_id.replace("+", "-").replace("/", "_")


def folder_of(topic: str, hour: int | None = None) -> str:
    """Of a topic, or of one of its hours (since the epoch)."""
    if hour is None:
        return topic
    at = datetime.fromtimestamp(hour * 3600, UTC)
    return f"{topic}/date={at:%Y-%m-%d}/hour={at:%H}"


def parsed(path: str) -> DataFile | None:
    """The published or staged file with this path; None = it is no file of ours."""
    folder, _, name = path.rpartition("/")
    if folder.rpartition("/")[2] == STAGED:
        hour, _, name = name.partition(".")
        return _named(name, int(hour)) if hour.isdecimal() else None
    if not (found := _HOUR.search(folder)):
        return None
    begin = datetime.strptime(f"{found[1]} {found[2]} +0000", "%Y-%m-%d %H %z")
    return _named(name, int(begin.timestamp()) // 3600)


def in_force(files: Iterable[DataFile]) -> list[DataFile]:
    """Those that hold every record once: without files that a joined one has replaced. By partition and offset."""
    kept: list[DataFile] = []
    for file in sorted(files, key=lambda f: (f.tp, f.log, f.first, -f.last)):
        if not (kept and kept[-1].covers(file)):
            kept.append(file)
    return kept


def _named(name: str, hour: int) -> DataFile | None:
    found = _NAME.fullmatch(name)
    if not found:
        return None
    tp = TopicPartition(found["topic"], int(found["partition"]))
    return DataFile(tp, found["log"], int(found["first"]), int(found["last"]), hour)
