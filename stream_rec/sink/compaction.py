"""Small files of an hour that is over become one, which answers for the same offsets.

The joined file is published first, and the others are deleted then. If that is cut short, both are there:
`names.in_force` leaves out what another one covers, and the next look at the hour deletes it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

import polars as pl

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import SinkSettings
from stream_rec.sink.folder import SinkFolder
from stream_rec.sink.names import DataFile, folder_of, in_force

_log = logs.get("sink")

_Hour = tuple[TopicPartition, int]


class Compaction:
    """Joins files of partitions that are ours, an hour of one partition at a time.

    Args:
        settings: when, and how large.
        folder: of the files.
        clock: tells which hours are over.
        is_ours: asks the group whether a partition is still ours.
    """

    def __init__(
        self,
        settings: SinkSettings,
        folder: SinkFolder,
        clock: Clock,
        is_ours: Callable[[TopicPartition], bool],
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._is_ours = is_ours
        self._waiting: dict[_Hour, float] = {}
        """Hours with files that may be joined, and when the last one came."""
        self._looked: set[TopicPartition] = set()

    def note(self, file: DataFile) -> None:
        """A file was published: its hour is to be looked at when it is over."""
        self._waiting[file.tp, file.hour] = self._clock.now()

    def step(self, ours: Collection[TopicPartition]) -> int:
        """Look at one hour that is over, of one partition. How many files were joined.

        Raises:
            Unavailable: the folder.
        """
        if not self._settings.compact_days:
            self._waiting.clear()
            return 0
        self._waiting = {each: at for each, at in self._waiting.items() if each[0] in ours}
        self._looked &= set(ours)
        self._look_back(set(ours) - self._looked)
        long_ago = self._clock.now() - self._settings.compact_after_seconds
        due = min(
            # A sink that is behind still gets records of hours that are over: then it waits for the last of them.
            (each for each, at in self._waiting.items() if each[1] < long_ago // 3600 and at <= long_ago),
            default=None,
        )
        if due is None:
            return 0
        del self._waiting[due]
        return self._join(*due)

    def _look_back(self, partitions: Collection[TopicPartition]) -> None:
        """Hours of the last days that an owner before us may have left as they were."""
        today = datetime.fromtimestamp(self._clock.now(), UTC)
        for topic in {tp.topic for tp in partitions}:
            for days in range(self._settings.compact_days):
                day = today - timedelta(days)
                for file in self._folder.published(f"{folder_of(topic)}/date={day:%Y-%m-%d}"):
                    if file.tp in partitions:
                        self._waiting.setdefault((file.tp, file.hour), 0.0)
        self._looked |= set(partitions)

    def _join(self, tp: TopicPartition, hour: int) -> int:
        files = [file for file in self._folder.published(folder_of(tp.topic, hour)) if file.tp == tp]
        valid = in_force(files)
        replaced = [file for file in files if file not in valid]
        joined = 0
        for group in self._groups(valid):
            if not self._is_ours(tp):
                return joined
            first, last = group[0], group[-1]
            whole = first._replace(last=last.last)
            try:
                rows = pl.concat([self._folder.read(file) for file in group], how="diagonal_relaxed")
            except FileNotFoundError:
                return joined  # somebody else cleans up here
            self._folder.stage(whole, rows)
            if not self._is_ours(tp):  # it took a while
                self._folder.delete(whole.staged)
                return joined
            self._folder.publish(whole)
            replaced += group
            joined += len(group)
        for file in replaced:
            self._folder.delete(file.path)
        if joined:
            _log.info("joined", partition=str(tp), files=joined)
        return joined

    def _groups(self, files: list[DataFile]) -> list[list[DataFile]]:
        """Runs of files without a gap in between that fit into one; at least two each."""
        groups: list[list[DataFile]] = []
        room = 0
        for file in files:
            size = self._folder.size(file)
            follows = groups and groups[-1][-1].log == file.log and groups[-1][-1].last + 1 == file.first
            if follows and size <= room:
                groups[-1].append(file)
            else:
                groups.append([file])
                room = self._settings.compact_max_bytes
            room -= size
        return [group for group in groups if len(group) > 1]
