"""The journal: the order in which a worker learned. Snapshot + journal + log restore its engine's state, bit for bit.

The engine is a fold over single records, so what it knows is a function of the records *and their order*. Within a
partition the log has the order; between partitions only the worker knows it. It is kept here as runs (topic, partition,
first, next), with marks for changes of the state that are in no log. One thread writes.

Written without waiting for the disk: a killed process loses what was not flushed, a machine without power what the
system had not written. Then the end is torn, and everything before it still counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.history.journal.file import (
    SUFFIX,
    Drifted,
    Entry,
    Forgot,
    Head,
    OpenSegment,
    Run,
    Skips,
    is_being_written,
    read_head,
    state_of,
)
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import JournalSettings

_SEGMENTS = 32
"""A segment is closed at this share of `journal.max_bytes`, so the oldest that makes room is no more than that."""
_ENTRIES = 1024
"""Entries in memory, at most."""
RETRY_SECONDS = 5.0
"""Seconds between attempts to write a journal again."""

STATE_NOTE = "journal"
"""Under this key a snapshot's notes name the state it holds, as the journal does."""


class Journal:
    """Writes one session: one lifetime of an engine.

    A full disk, or a missing folder, does not stop a worker, at its start or later: the journal pauses,
    logs it, and resumes once it can be written again. What was learned meanwhile is missing, which
    readers detect.

    Args:
        settings: bounds.
        folder: where segments go; made if missing. Workers may share one: the bound is for all of them, and what each
            is writing now is never deleted by others.
        worker: name that no other living worker has; letters, digits, `.` and `-`.
        topic_ids: id of each topic.
        clock: names segments.
        positions: of the engine as it is now.
        base: the state it is in: what `saved` gave when the snapshot was written that it was restored from, or else the
            name of that snapshot; empty = it has learned nothing.
    """

    def __init__(
        self,
        settings: JournalSettings,
        folder: Path,
        *,
        worker: str,
        topic_ids: Mapping[str, str],
        clock: Clock,
        positions: Mapping[TopicPartition, int] | None = None,
        base: str = "",
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._topic_ids = dict(topic_ids)
        self._positions = dict(positions or {})
        self._started_ms = int(clock.now() * 1000)
        self._session = f"{self._started_ms:013d}-{worker}"
        self._base = base
        self._sequence = -1
        self._entries: list[Entry] = []
        self._unflushed = 0
        self._segment: OpenSegment | None = None
        self._mine: list[Path] = []
        self._retry_at = 0.0
        self._log = logs.get("journal")
        self._guarded(self._begin)

    def ran(self, topic: str, partition: int, first: int, next_: int, n: int) -> None:
        """Offsets first ... next_ - 1 were learned just now, n of them records."""
        last = self._entries[-1] if self._entries else None
        joins = isinstance(last, Run) and (last.topic, last.partition, last.next) == (topic, partition, first)
        if isinstance(last, Run) and joins:
            self._entries[-1] = Run(topic, partition, last.first, next_, last.n + n)
        else:
            self._entries.append(Run(topic, partition, first, next_, n))
        self._positions[TopicPartition(topic, partition)] = next_
        self._unflushed += next_ - first
        if self._unflushed >= self._settings.flush_events or len(self._entries) >= _ENTRIES:
            self.flush()

    def drifted(self) -> None:
        """`Engine.on_drift` was called just now."""
        self._entries.append(Drifted())

    def forgot(self, user_hash: int) -> None:
        """`Engine.forget_user` was called just now, for the user whose id has this hash."""
        self._entries.append(Forgot(user_hash))

    def skips(self, ranges: tuple[str, ...]) -> None:
        """From now on these records are left out."""
        self._entries.append(Skips(ranges))

    def saved(self) -> str:
        """A snapshot is made of the state as of now: a segment begins here.

        Returns:
            A name of the state, to be kept with the snapshot; empty = the journal cannot be written now.
        """
        self.flush()
        self._guarded(self._begin)
        return f"{self._session}/{self._sequence}" if self._segment is not None else ""

    def keep(self, states: Collection[str]) -> None:
        """Delete what was written before the oldest of these states: nothing starts there any more."""
        for at, path in enumerate(self._mine):
            head = read_head(path)
            if head is not None and state_of(head) in states:
                for old in self._mine[:at]:
                    _unlink(old)
                self._mine = self._mine[at:]
                return

    def flush(self) -> None:
        """Flush everything to the operating system; while that fails, drop it, and retry every so often."""
        entries, self._entries, self._unflushed = self._entries, [], 0
        if self._segment is None:
            if self._clock.monotonic() >= self._retry_at:
                self._guarded(self._begin)
            return
        if entries:
            self._guarded(lambda: self._append(entries))
        if self._segment is not None and self._segment.size >= self._settings.max_bytes // _SEGMENTS:
            self._guarded(self._begin)

    def _guarded(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            if not self._retry_at:
                self._log.error(
                    "the journal pauses: it cannot be written; learning continues without it",
                    folder=str(self._folder),
                    why=error.strerror or str(error),
                    fix="free disk space there, or set journal.folder to a writable folder",
                )
            self._close()
            # A number is skipped: what is written later is never taken for the continuation, though positions may fit.
            self._sequence += 1
            self._retry_at = self._clock.monotonic() + RETRY_SECONDS

    def _begin(self) -> None:
        """Open the next segment."""
        self._close()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sequence += 1
        created_ms = int(self._clock.now() * 1000)
        path = self._folder / f"{created_ms:013d}-{self._session}-{self._sequence:06d}{SUFFIX}"
        positions = tuple(
            (topic, partition, at) for (topic, partition), at in sorted(self._positions.items())
        )
        head = Head(self._session, self._sequence, self._started_ms, self._base, self._topic_ids, positions)
        self._segment = OpenSegment(path, head)
        self._mine = [*(mine for mine in self._mine if mine.exists()), path]
        if self._retry_at:
            self._retry_at = 0.0
            self._log.warning("the journal resumes: what was learned meanwhile is missing in it")
        self._make_room()

    def _append(self, entries: list[Entry]) -> None:
        assert self._segment is not None
        self._segment.append(entries)

    def _close(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _make_room(self) -> None:
        """Delete the oldest segments until this one may grow to its full size."""
        room = self._settings.max_bytes - self._settings.max_bytes // _SEGMENTS
        sizes = {path: _size(path) for path in sorted(self._folder.glob(f"*{SUFFIX}"))}
        total = sum(sizes.values())
        for path, size in sizes.items():
            if total <= room:
                return
            if path != self._mine[-1] and not is_being_written(path) and _unlink(path):
                total -= size


def _size(path: Path) -> int:
    """Bytes; 0 if another worker has just deleted it."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _unlink(path: Path) -> bool:
    """Whether it is gone, deleted by us or by another worker; False = it is not ours to delete."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
