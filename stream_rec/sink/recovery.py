"""Where a partition goes on: what the last owner had decided is finished, and what it had not is thrown away."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256

from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.membership import Committed, Membership
from stream_rec.bus.topics import log_id
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import BusSettings, Settings
from stream_rec.sink.folder import SinkFolder
from stream_rec.sink.names import DataFile, folder_of, log_in_names


def group_of(settings: Settings) -> str:
    """The sink's consumer group. It belongs to the folder: another folder is filled from the beginning of the log."""
    return f"{settings.bus.group}-sink-{sha256(settings.sink.url.encode()).hexdigest()[:8]}"


class Recovery:
    """Finds where to go on.

    Args:
        bus: for the ids of topics and the beginnings of logs.
        folder: what is there.
        member: what was decided.
    """

    def __init__(self, bus: BusSettings, folder: SinkFolder, member: Membership) -> None:
        self._bus = bus
        self._folder = folder
        self._member = member

    def starts(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, tuple[str, int]]:
        """Log id and next offset of partitions that have just become ours; staged files of theirs are settled.

        Raises:
            Unavailable: the folder, or Kafka.
        """
        if not partitions:
            return {}
        ids = {topic: log_in_names(log_id(self._bus, topic)) for topic in {tp.topic for tp in partitions}}
        begins = OffsetReader(self._bus).starts(list(ids))
        committed = self._member.committed(partitions)
        staged = self._folder.staged()
        starts = {}
        for tp in partitions:
            log = ids[tp.topic]
            self._settle(tp, log, committed[tp].offset, [file for file in staged if file.tp == tp])
            starts[tp] = log, max(self._position(tp, log, committed[tp]), begins[tp])
        return starts

    def _settle(self, tp: TopicPartition, log: str, committed: int | None, staged: list[DataFile]) -> None:
        """Publish what the last owner committed and did not come to publish; delete the rest."""
        last = [file for file in staged if file.log == log and file.last + 1 == committed]
        published = self._published(tp, log) if last else []
        for file in staged:
            # A member that was too late may have staged the same offsets, and others before them, which are published.
            if file in last and not any(file.overlaps(other) for other in published):
                self._folder.publish(file)
            else:
                self._folder.delete(file.staged)

    def _position(self, tp: TopicPartition, log: str, committed: Committed) -> int:
        """The next offset that is in no file."""
        if committed.offset is not None and committed.note == log:
            return committed.offset
        # Nothing is committed (any more), or not by us, or of a topic that was deleted since, or there are no notes.
        ends = [file.last + 1 for file in self._published(tp, log)]
        is_of_log = committed.offset is not None and not committed.note
        return max([*ends, committed.offset if is_of_log and committed.offset else 0])

    def _published(self, tp: TopicPartition, log: str) -> list[DataFile]:
        files = self._folder.published(folder_of(tp.topic))
        return [file for file in files if file.tp == tp and file.log == log]
