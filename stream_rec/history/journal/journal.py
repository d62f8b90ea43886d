"""The journal: in which order a worker learned. Snapshot + journal + log give its engine's state again, bit for bit.

The engine is a fold over single records, so what it knows is a function of the records *and their order*. Within a
partition the log has the order; between partitions only the worker knows it. It is kept here as runs (topic, partition,
first, next), with marks for what changes the state and is in no log. One thread writes.

Written without waiting for the disk: a killed process loses what was not flushed, a machine without power what the
system had not written. Then the end is torn, and what is whole before it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.errors import ConfigError
from stream_rec.history.journal.file import (
    SUFFIX,
    Drifted,
    Entry,
    Forgot,
    Head,
    Run,
    block,
    read_head,
    state_of,
)
from stream_rec.settings import JournalSettings

_SEGMENTS = 32
"""A segment is closed at this share of `journal.max_bytes`, so the oldest that makes room is no more than that."""
_ENTRIES = 1024
"""Entries in memory, at most."""

STATE_NOTE = "journal"
"""Under this key a snapshot's notes name the state it holds, as the journal does."""


class Journal:
    """Writes one session: one life of an engine.

    A full disk or a folder that goes away does not stop the worker: the session ends there, and the log says so.

    Args:
        settings: bounds.
        folder: where segments go; made if missing. Other workers should write elsewhere: the oldest file makes room.
        worker: name that no other living worker has; letters, digits, `.` and `-`.
        topic_ids: id of each topic.
        clock: names segments.
        positions: of the engine as it is now.
        base: the state it is in: what `saved` gave when the snapshot was written that it was restored from, or else the
            name of that snapshot; empty = it has learned nothing.

    Raises:
        ConfigError: nothing can be written there.
    """

    def __init__(
        self,
        settings: JournalSettings,
        folder: Path,
        *,
        worker: str,
        topic_ids: Mapping[str, str],
        clock: Clock,
        positions: Mapping[tuple[str, int], int] | None = None,
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
        self._size = 0
        self._mine: list[Path] = []
        self._broken = False
        self._log = logs.get("journal")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._begin()
        except OSError as error:
            raise ConfigError(
                f"cannot write a journal to {folder}: {error.strerror}", fix="set journal.folder"
            ) from error

    def ran(self, topic: str, partition: int, first: int, next_: int, n: int) -> None:
        """Offsets first ... next_ - 1 were learned just now, n of them records."""
        last = self._entries[-1] if self._entries else None
        joins = isinstance(last, Run) and (last.topic, last.partition, last.next) == (topic, partition, first)
        if isinstance(last, Run) and joins:
            self._entries[-1] = Run(topic, partition, last.first, next_, last.n + n)
        else:
            self._entries.append(Run(topic, partition, first, next_, n))
        self._positions[topic, partition] = next_
        self._unflushed += next_ - first
        if self._unflushed >= self._settings.flush_events or len(self._entries) >= _ENTRIES:
            self.flush()

    def drifted(self) -> None:
        """`Engine.on_drift` was called just now."""
        self._entries.append(Drifted())

    def forgot(self, user_hash: int) -> None:
        """`Engine.forget_user` was called just now, for the user whose id has this hash."""
        self._entries.append(Forgot(user_hash))

    def saved(self) -> str:
        """A snapshot is made of the state as of now: a segment begins here.

        Returns:
            A name of the state, to be kept with the snapshot; empty = the journal has ended.
        """
        self.flush()
        self._guarded(self._begin)
        return "" if self._broken else f"{self._session}/{self._sequence}"

    def keep(self, states: Collection[str]) -> None:
        """Drop what was written before the oldest of these states: nothing starts there any more."""
        for at, path in enumerate(self._mine):
            head = read_head(path) if path.exists() else None
            if head is not None and state_of(head) in states:
                self._drop(self._mine[:at])
                return

    def flush(self) -> None:
        """Hand everything over to the operating system."""
        if self._entries:
            entries, self._entries, self._unflushed = self._entries, [], 0
            self._guarded(lambda: self._append(block(entries)))
        if self._size >= self._settings.max_bytes // _SEGMENTS:
            self._guarded(self._begin)

    def _guarded(self, write: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            write()
        except OSError as error:
            self._broken = True
            self._log.error("the journal ends here: it cannot be written", why=str(error))

    def _begin(self) -> None:
        """Open the next segment."""
        self._sequence += 1
        created_ms = int(self._clock.now() * 1000)
        path = self._folder / f"{created_ms:013d}-{self._session}-{self._sequence:06d}{SUFFIX}"
        positions = tuple(
            (topic, partition, at) for (topic, partition), at in sorted(self._positions.items())
        )
        head = Head(self._session, self._sequence, self._started_ms, self._base, self._topic_ids, positions)
        self._mine.append(path)
        self._size = 0
        self._append(block([head]))
        self._make_room()

    def _append(self, data: bytes) -> None:
        with self._mine[-1].open("ab") as file:
            file.write(data)
        self._size += len(data)

    def _make_room(self) -> None:
        """The oldest segments go until this one may grow to its end."""
        room = self._settings.max_bytes - self._settings.max_bytes // _SEGMENTS
        sizes = {path: path.stat().st_size for path in sorted(self._folder.glob(f"*{SUFFIX}"))}
        total = sum(sizes.values())
        for path, size in sizes.items():
            if total <= room or path == self._mine[-1]:
                return
            self._drop([path])
            total -= size

    def _drop(self, paths: Collection[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
        self._mine = [path for path in self._mine if path not in paths]
