"""What the sink's folder holds of a topic: the files with every record once, and whether any offset is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import NamedTuple

from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName
from stream_rec.sink.folder import SinkFolder
from stream_rec.sink.names import DataFile, folder_of, in_force


class Stretch(NamedTuple):
    """The files of one log of a partition.

    Attributes:
        tp: the partition.
        log: the incarnation of its topic.
        files: how many, without those that a joined one has replaced.
        first: the first offset that they answer for.
        last: the last one.
        missing: offsets in between that no file answers for: they were deleted from the log before they were read, or
            their file was deleted.
        doubled: offsets that two files answer for; never any.
    """

    tp: TopicPartition
    log: str
    files: int
    first: int
    last: int
    missing: int
    doubled: int


def files_of(folder: SinkFolder, topic: TopicName) -> list[DataFile]:
    """The files that hold every record of a topic once, by partition and offset.

    A pattern like `events/**/*.parquet` names the same, but for the moment in which joined files take the place of
    small ones.
    """
    return in_force(folder.published(folder_of(topic)))


def stretches(files: Iterable[DataFile]) -> Iterator[Stretch]:
    """What files of `files_of` cover, by partition and log."""
    for (tp, log), group in groupby(files, key=lambda file: (file.tp, file.log)):
        ours = list(group)
        missing = sum(max(0, b.first - a.last - 1) for a, b in pairwise(ours))
        doubled = sum(max(0, a.last + 1 - b.first) for a, b in pairwise(ours))
        yield Stretch(tp, log, len(ours), ours[0].first, ours[-1].last, missing, doubled)
