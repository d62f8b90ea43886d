"""Writing snapshots: a short pause of the engine's thread, and the rest in the background."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.errors import StreamRecError, Unavailable
from stream_rec.history.snapshots.data import buffers, sealed
from stream_rec.history.snapshots.facts import Facts
from stream_rec.history.snapshots.fork import WritingChild
from stream_rec.history.snapshots.header import Header, encode, laid_out, new_name
from stream_rec.history.snapshots.order import PROMOTED_NOTE, log_of, owner_of
from stream_rec.history.snapshots.store import Snapshotable, SnapshotInfo, SnapshotStore
from stream_rec.schemas.partition import TopicPartition

FORGOTTEN_NOTE = "forgotten_upto"
"""Under this key a snapshot's notes have the offset on `control` up to which users are forgotten in it."""


class Writing:
    """A snapshot in progress: a child process is writing its arrays to a local file."""

    def __init__(
        self, store: SnapshotStore, clock: Clock, header: Header, part: Path, child: WritingChild
    ) -> None:
        self._store = store
        self._clock = clock
        self._header = header
        self._part = part
        self._child = child
        self._ends = clock.monotonic() + store.settings.write_timeout_seconds
        self._gave_up = threading.Event()

    def finish(self, *, durable: bool = True) -> SnapshotInfo:
        """Wait for the child, take checksums, publish, and prune. Blocks; call once, in any thread.

        Args:
            durable: see `SnapshotFolder.put_data`; without, a local one is there seconds sooner.

        Raises:
            Unavailable: not written or uploaded in time, no space left, or the file system refused; it is not there.
        """
        folder = self._store.folder
        try:
            self._child.wait(self._ends - self._clock.monotonic())
            header = self._sealed()
            within(
                self._store.settings.upload_timeout_seconds,
                lambda: folder.put_data(header.data, self._part, durable=durable),
            )
            if self._gave_up.is_set():
                raise OSError(0, "given up")
            folder.put_header(header.name, encode(header), durable=durable)
        except OSError as error:
            raise Unavailable("snapshots", f"{self._part}: {error.strerror or error}") from error
        finally:
            self._part.unlink(missing_ok=True)
        try:
            self._store.prune(self._clock.now(), written=header)
            if durable:
                self._drop_forgotten(header)
        except StreamRecError as error:
            logs.get("snapshot").warning("old snapshots were not deleted", why=str(error))
        return SnapshotInfo.of(header)

    def give_up(self) -> None:
        """Cancel it and kill the child: `finish` raises soon. From any thread."""
        self._gave_up.set()
        self._child.kill()

    def _drop_forgotten(self, header: Header) -> None:
        """Older snapshots know of users who are forgotten in this one: they are deleted."""
        upto = int(header.notes.get(FORGOTTEN_NOTE, -1))
        if upto < 0:
            return
        decided = {TopicPartition("control", 0): upto + 1}
        if dropped := self._store.delete_before(decided, log_of(header)):
            logs.get("snapshot").info(
                "older snapshots were deleted: they know of users who are forgotten", snapshots=len(dropped)
            )

    def _sealed(self) -> Header:
        size = self._part.stat().st_size
        if size != self._header.size:
            raise OSError(0, f"{size:,} of {self._header.size:,} bytes were written")
        header = msgspec.structs.replace(self._header, arrays=sealed(self._header.arrays, self._part))
        if self._gave_up.is_set():
            raise OSError(0, "given up")
        return header


class SnapshotWriter:
    """Writes snapshots of engines that learn from one log.

    Make it when the engine begins: what is promoted later is no part of what it has learned, and stays newer.

    Args:
        store: where to.
        facts: the log, as the positions refer to it.
        clock: for names and deadlines.

    Raises:
        Unavailable: the file system refuses or does not answer.
    """

    def __init__(self, store: SnapshotStore, facts: Facts, clock: Clock) -> None:
        self._store = store
        self._facts = facts
        self._clock = clock
        n = store.promotions(facts.log)
        self._promoted = {PROMOTED_NOTE: n} if n else {}

    def begin(self, engine: Snapshotable, notes: Mapping[str, Any] | None = None) -> Writing:
        """Fork a child that writes the engine as it is now. In the engine's thread, which must live on.

        Args:
            engine: nothing else touches it meanwhile.
            notes: kept in the header; what JSON can hold.

        Raises:
            ConfigError: this engine cannot be kept in snapshots.
            Unavailable: no local file could be made, or no process.
        """
        arrays = engine.snapshot()
        held, size = laid_out(arrays)
        created = self._clock.now()
        header = Header(
            name=new_name(created, os.urandom(2)),
            data="",
            created=created,
            cluster_id=self._facts.cluster_id,
            logs={topic: log.held(topic, engine.position) for topic, log in self._facts.logs.items()},
            n_events=engine.n_learned,
            identity=engine.identity,
            notes={**(notes or {}), **self._promoted},
            arrays=held,
            size=size,
        )
        data = self._store.folder.data_of(header.name, owner_of(header))
        header = msgspec.structs.replace(header, data=data)
        part, child = self._fork(data, buffers(arrays))
        return Writing(self._store, self._clock, header, part, child)

    def write(self, engine: Snapshotable, notes: Mapping[str, Any] | None = None) -> SnapshotInfo:
        """Write a snapshot and wait for it.

        Raises:
            ConfigError: as for `begin`.
            Unavailable: as for `begin` and `Writing.finish`.
        """
        return self.begin(engine, notes).finish()

    def _fork(self, data: str, memory: list[memoryview]) -> tuple[Path, WritingChild]:
        try:
            part = self._store.folder.part(data)
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable("snapshots", f"cannot make a file: {error}") from error
        try:
            return part, WritingChild(memory, fd)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise Unavailable("snapshots", f"cannot fork: {error}") from error


def within(seconds: float, work: Callable[[], None]) -> None:
    """Run what may hang, with a timeout; after it, the call continues in its own thread and its result is dropped.

    Raises:
        TimeoutError: it is not done in time.
    """
    failure: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised by the waiting thread
            failure.append(error)

    thread = threading.Thread(target=run, name="upload", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(errno.ETIMEDOUT, f"not uploaded within {seconds:g} s")
    if failure:
        raise failure[0]
