"""The sink: reads what its group gives it, and writes files, each record once, whatever ends when.

A file comes about in three steps, and the group's commit between the two others is what decides:

1. It is *staged*: whole and durable, where nobody reads it.
2. The offset after it is *committed*. The broker refuses that of a member that lost the partition.
3. It is *published*, by one step.

Whoever is given a partition finishes what the last owner had decided (`recovery.py`), and throws away what it had not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

from stream_rec import logs
from stream_rec.bus.batch import Fetched
from stream_rec.bus.membership import Membership, NotOwnerError
from stream_rec.bus.reader import Fetching, Read, Reader, Start
from stream_rec.bus.skips import leave_out
from stream_rec.bus.topics import log_id
from stream_rec.clock import Clock
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.topics import full_name
from stream_rec.settings import Settings
from stream_rec.sink.compaction import Compaction
from stream_rec.sink.folder import SinkFolder
from stream_rec.sink.names import log_in_names
from stream_rec.sink.pending import Pending, rows_of
from stream_rec.sink.recovery import Recovery, group_of

T = TypeVar("T")

_log = logs.get("sink")

_READ_RECORDS, _READ_BYTES = 20_000, 16 << 20
"""Of one read, at most; the client fetches about as much ahead."""
_READ_SECONDS = 0.1
_RETRY_SECONDS = 0.2
_RETRY_MOST_SECONDS = 5.0
_SHOWN_REJECTED = 3
"""Of the records of a file that could not be read, so many are named in the log."""


@dataclass(slots=True)
class Totals:
    """What a sink has done.

    Attributes:
        records: rows in published files.
        rejected: messages without a row: they are no records. Workers put them among the dead letters.
        files: published.
        n_bytes: of these.
        joined: files that were replaced by one of several.
        deleted: offsets that the log no longer had when they were to be read.
    """

    records: int = 0
    rejected: int = 0
    files: int = 0
    n_bytes: int = 0
    joined: int = 0
    deleted: int = 0


class Sink:
    """One member of the sink's group. Not thread-safe; `close` it.

    Args:
        settings: where from, where to, how often.
        clock: tells when an hour is over.

    Raises:
        ConfigError: `sink.url` or Kafka's settings are wrong.
        Unavailable: the folder, or Kafka.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._bus = settings.bus
        self.totals = Totals()
        self._pending: dict[TopicPartition, Pending] = {}
        self._folder = SinkFolder(settings.sink)
        self._folder.delete_parts(clock.now() - 86_400)
        with ExitStack() as opened:
            fetching = Fetching(_READ_RECORDS, _READ_BYTES, _READ_SECONDS, _READ_SECONDS)
            self._reader = Reader(self._bus, fetching)
            opened.callback(self._reader.close)
            self._member = Membership(
                self._bus,
                group_of(settings),
                settings.sink.topics,
                self._assigned,
                self._lost,
            )
            opened.pop_all()
        self._recovery = Recovery(self._bus, self._folder, self._member)
        self._compaction = Compaction(settings.sink, self._folder, clock, self._still_ours)

    @property
    def n_pending(self) -> int:
        """Records that were read and are in no file yet."""
        return sum(map(len, self._pending.values()))

    def run(self, stop: Callable[[], bool]) -> None:
        """Write until told to stop, then write what is pending, and leave the group.

        Raises:
            Unavailable: the folder refuses for `sink.retry_seconds`, or Kafka.
            ConfigError: Kafka refuses us, or a topic was deleted and recreated.
        """
        while not stop():
            self.step()
        self.flush()

    def step(self) -> None:
        """Read once, and write what is due."""
        self._member.poll()
        for read in self._reader.read():
            self._take(read)
        now = time.monotonic()
        due = [pending for pending in self._pending.values() if self._is_due(pending, now)]
        if due or self._pending_bytes() > self._settings.sink.max_pending_bytes:
            self._write(due or list(self._pending.values()))
        self.totals.joined += self._compaction.step(self._pending)

    def flush(self) -> None:
        """Write whatever is pending."""
        self._write(list(self._pending.values()))

    def close(self) -> None:
        """Leave the group; what is pending and not flushed is read again by the next owner."""
        self._pending.clear()
        self._member.close()
        self._reader.close()

    def _take(self, read: Read) -> None:
        pending = self._pending.get(read.batch.tp)
        if pending is None or read.batch.start < pending.next:
            return
        if read.is_gone:
            gone = read.batch.next - read.batch.start
            self.totals.deleted += gone
            _log.warning("deleted before they were read", partition=str(pending.tp), offsets=gone)
        batch, _ = leave_out(read.batch, self._settings.ingest.skip)
        pending.add(batch, time.monotonic())

    def _is_due(self, pending: Pending, now: float) -> bool:
        sink = self._settings.sink
        if len(pending) >= max(1, sink.max_file_records - _READ_RECORDS):
            return True  # with what the next read may bring it would be more than one file
        return pending.since is not None and now - pending.since >= sink.every_seconds

    def _pending_bytes(self) -> int:
        return sum(pending.n_bytes for pending in self._pending.values())

    def _write(self, pending: list[Pending]) -> None:
        """Write all that is pending of some partitions, each in files of its own."""
        self._need_same_logs(pending)
        before = (self.totals.records, self.totals.files)
        for each in pending:
            try:
                for part in each.take(self._settings.sink.max_file_records):
                    self._write_file(each, part)
            except NotOwnerError:
                # The group will say so, too; until then nothing more is read of it.
                self._lost([each.tp])
        if self.totals.files > before[1]:
            records, files = self.totals.records - before[0], self.totals.files - before[1]
            _log.info("written", files=files, records=records)

    def _write_file(self, pending: Pending, part: Fetched) -> None:
        rows, rejected = rows_of(part, self._settings.ingest)
        file = pending.file(part)
        size = self._patiently(lambda: self._folder.stage(file, rows))
        self._member.commit(pending.tp, part.next, pending.log)
        self._patiently(lambda: self._folder.publish(file))
        self._compaction.note(file)
        self.totals.files += 1
        self.totals.n_bytes += size
        self.totals.records += len(rows)
        self.totals.rejected += len(rejected)
        for flaw in rejected[:_SHOWN_REJECTED]:
            where = f"{pending.tp}/{flaw.offset}"
            _log.warning("no record: it has no row", message=where, reason=flaw.reason, of=len(rejected))

    def _need_same_logs(self, pending: list[Pending]) -> None:
        """Refuse to write offsets of a topic that is another one by now."""
        for topic, log in {(each.tp.topic, each.log) for each in pending if each}:
            if log_in_names(log_id(self._bus, topic)) != log:
                self._pending.clear()
                raise ConfigError(
                    f"{full_name(self._bus.prefix, topic)} was deleted and recreated (topic id changed)",
                    fix="start the sink again: it reads the new topic from its beginning, into files of their own",
                )

    def _assigned(self, partitions: list[TopicPartition]) -> None:
        starts = self._patiently(lambda: self._recovery.starts(partitions))
        for tp, (log, offset) in starts.items():
            self._pending[tp] = Pending(tp, log, offset, offset)
        self._reader.begin({tp: Start(pending.next) for tp, pending in self._pending.items()})
        _log.info("assigned", partitions=len(partitions))

    def _lost(self, partitions: list[TopicPartition]) -> None:
        """What is pending of them is read again, by whoever has them next."""
        for tp in partitions:
            self._pending.pop(tp, None)
        self._reader.leave(partitions)

    def _still_ours(self, tp: TopicPartition) -> bool:
        """Ask the group: what is committed already is committed once more."""
        pending = self._pending.get(tp)
        if pending is None:
            return False
        try:
            self._member.commit(tp, pending.start, pending.log)
        except NotOwnerError:
            self._lost([tp])
            return False
        return True

    def _patiently(self, call: Callable[[], T]) -> T:
        """What a call to the folder returns; asked again while it refuses, for `sink.retry_seconds`."""
        began, wait = time.monotonic(), _RETRY_SECONDS
        while True:
            try:
                return call()
            except Unavailable as error:
                if time.monotonic() + wait - began > self._settings.sink.retry_seconds:
                    raise
                _log.warning("waiting", cause=str(error))
            time.sleep(wait)
            wait = min(2 * wait, _RETRY_MOST_SECONDS)
