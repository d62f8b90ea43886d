"""Snapshots of the engine: listed, loaded, checked, kept (docs/snapshots.md). `writer` writes them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.engine.state.identity import Identity
from stream_rec.engine.state.parts import ATTRIBUTION
from stream_rec.errors import ConfigError, UnusableSnapshot
from stream_rec.history.snapshots import retention
from stream_rec.history.snapshots.data import opened
from stream_rec.history.snapshots.facts import (
    MEASURE,
    Facts,
    check_identity,
    check_log,
    check_skips,
    differences,
    lost_without,
)
from stream_rec.history.snapshots.folder import HEADER, SnapshotFolder
from stream_rec.history.snapshots.header import (
    Header,
    Position,
    created_of,
    decode,
    encode,
    is_name,
    new_name,
)
from stream_rec.history.snapshots.order import (
    PROMOTED_NOTE,
    LogKey,
    log_of,
    newest_first,
    promotions,
)
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import SnapshotSettings

_TRIES = 3
"""Passes over a folder whose snapshots are being replaced meanwhile."""


class Snapshotable(Protocol):
    """What can be kept in a snapshot: the engine (see `Engine.snapshot` and `Engine.restore`)."""

    identity: Identity
    position: dict[TopicPartition, int]

    @property
    def n_learned(self) -> int: ...

    def snapshot(self) -> dict[str, NDArray[Any]]: ...

    def restore(self, arrays: Mapping[str, NDArray[Any]], position: Position) -> None: ...


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """One snapshot as its header describes it.

    Attributes:
        name: sorts by time.
        created: seconds since the epoch.
        positions: next offset to learn, by topic (without the tenant's prefix) and partition.
        n_events: learned ever.
        size: bytes of its arrays.
        problem: reason why it cannot be used, as far as the header tells; empty = none known.
        notes: what the writer added.
    """

    name: str
    created: float
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    n_events: int = 0
    size: int = 0
    problem: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, header: Header) -> SnapshotInfo:
        """What the header says."""
        return cls(
            header.name,
            header.created,
            header.position,
            header.n_events,
            header.size,
            notes=header.notes,
        )


@dataclass(frozen=True, slots=True)
class Restored:
    """What an engine was started from.

    Attributes:
        info: the snapshot.
        gone: records that the log no longer held, by topic and partition: they were never learned.
        refused: newer snapshots that could not be used.
    """

    info: SnapshotInfo
    gone: dict[TopicPartition, int]
    refused: list[UnusableSnapshot]


class SnapshotStore:
    """The snapshots of one tenant, perhaps beside those of others. Any number of processes may read and write at once.

    Args:
        settings: where they are, and how many are kept.

    Raises:
        ConfigError: no folder is set, or it cannot be opened.
        Unavailable (all methods): the file system refuses or does not answer.
    """

    def __init__(self, settings: SnapshotSettings) -> None:
        self.settings = settings
        self.folder = SnapshotFolder(settings)
        self._log = logs.get("snapshot")

    def list(self) -> Sequence[SnapshotInfo]:
        """All snapshots, newest first (`order.newest_first`); those with a header that cannot be read come before."""
        found, unreadable = self._headers()
        broken = [
            SnapshotInfo(error.name, created_of(error.name), problem=f"{error.reason}: {error.detail}")
            for error in unreadable
        ]
        return [*broken, *map(SnapshotInfo.of, found)]

    def header(self, name: str) -> Header:
        """A snapshot's header.

        Raises:
            ConfigError: there is no such snapshot.
            UnusableSnapshot: the header cannot be read.
        """
        if not is_name(name) or name + HEADER not in self.folder.files():
            raise ConfigError(f"no snapshot {name!r}", fix="`stream-rec snapshot list` shows what is there")
        return self._header(name)

    def verify(self, name: str) -> SnapshotInfo:
        """Compare every byte of a snapshot with its checksums.

        Raises:
            ConfigError: there is no such snapshot.
            UnusableSnapshot: torn or corrupt.
        """
        header = self.header(name)
        with self._data(header) as path:
            opened(header, path)
        return SnapshotInfo.of(header)

    def load(self, name: str, engine: Snapshotable) -> SnapshotInfo:
        """Fill an empty engine from a snapshot, whatever the log may be now.

        Raises:
            ConfigError: there is no such snapshot.
            UnusableSnapshot: torn, corrupt, or not for an engine with these settings; nothing is changed then.
        """
        header = self.header(name)
        self._load(header, engine)
        return SnapshotInfo.of(header)

    def newest_usable(
        self, engine: Snapshotable, facts: Facts, skip: tuple[str, ...] = ()
    ) -> Restored | None:
        """Fill an empty engine from the newest snapshot that is whole, and fits the engine and the log.

        One that has learned of the records in `skip` (`ingest.skip`) does not fit.

        What is wrong with those that are passed over, and how many records were deleted before they could be learned,
        is logged. None: there is none to be used, the engine is as it was.

        Raises:
            ConfigError: a newer one is incompatible and knows records that the log no longer has and the engine would
                miss, and `snapshot.allow_loss` is not set.
        """
        refused: dict[str, UnusableSnapshot] = {}
        missed: list[tuple[UnusableSnapshot, Position | None]] = []
        for _ in range(_TRIES):
            found, unreadable = self._headers()
            for error in unreadable:
                self._pass_over(error, refused)
                missed.append((error, None))
            for header in found:
                try:
                    gone = check_log(header, facts)
                    check_skips(header, skip)
                    check_identity(header, engine.identity)
                    self._refuse_loss(missed, header.position, facts)
                    self._load(header, engine)
                except UnusableSnapshot as error:
                    self._pass_over(error, refused)
                    missed.append((error, header.position))
                    continue
                self._warn_of(gone)
                return Restored(SnapshotInfo.of(header), gone, list(refused.values()))
            if set(self.folder.names()) <= refused.keys():
                break
            # Others were written, and those we had seen deleted, while we were at it.
        self._refuse_loss(missed, {}, facts)
        return None

    def promote(self, name: str, clock: Clock) -> SnapshotInfo:
        """Make a snapshot the newest one, under a new name: workers that start from now on use it.

        Raises:
            ConfigError: there is no such snapshot.
            UnusableSnapshot: torn or corrupt.
        """
        self.verify(name)
        old, created = self.header(name), clock.now()
        new = msgspec.structs.replace(
            old,
            name=new_name(created, os.urandom(2)),
            created=created,
            notes={**old.notes, PROMOTED_NOTE: self.promotions(log_of(old)) + 1},
        )
        self.folder.put_header(new.name, encode(new))
        return SnapshotInfo.of(new)

    def promotions(self, log: LogKey) -> int:
        """Promotions so far among the snapshots of a log."""
        found, _ = self._headers()
        return max((promotions(header) for header in found if log_of(header) == log), default=0)

    def prune(self, now: float, keep: int | None = None, *, written: Header | None = None) -> Sequence[str]:
        """Delete all but the newest of each kind, and files that dead writers left; what was deleted.

        A kind is a log and what an engine must be to take a snapshot over (`Identity.form`): after a change of settings
        the old ones stay as the way back. What cannot be read is kept: its owner is unknown.

        Args:
            now: seconds since the epoch.
            keep: how many; None = `snapshot.keep`.
            written: just now: only what is of its log is deleted, and it itself never; None = of all logs.
        """
        found, unreadable = self._headers()
        return retention.prune(
            self.folder, found, unreadable, now=now, keep=keep or self.settings.keep, written=written
        )

    def delete_before(self, position: Position, log: LogKey) -> Sequence[str]:
        """Delete the snapshots of a log that have not learned all of a position; their names.

        Args:
            position: next offset to learn, of one or more partitions.
            log: whose snapshots; also those from before some of its topics were learned.
        """
        found, _ = self._headers()
        cluster, topics = log
        old = [
            header.name
            for header in found
            if header.cluster_id == cluster
            and set(log_of(header)[1]) <= set(topics)
            and any(header.position.get(tp, 0) < offset for tp, offset in position.items())
        ]
        for name in old:
            retention.delete(self.folder, found, name)
            found = [header for header in found if header.name != name]
        return old

    def delete(self, name: str) -> None:
        """Delete a snapshot, readable or not; its data stay as long as another one needs them.

        Raises:
            ConfigError: there is no such snapshot.
        """
        if not is_name(name) or name + HEADER not in self.folder.files():
            raise ConfigError(f"no snapshot {name!r}", fix="`stream-rec snapshot list` shows what is there")
        found, _ = self._headers()
        retention.delete(self.folder, found, name)

    def _headers(self) -> tuple[Sequence[Header], Sequence[UnusableSnapshot]]:
        """All that can be read, newest first, and why others cannot."""
        found, unreadable = [], []
        for name in self.folder.names():
            try:
                found.append(self._header(name))
            except UnusableSnapshot as error:
                unreadable.append(error)
        return newest_first(found), unreadable

    def _header(self, name: str) -> Header:
        try:
            raw = self.folder.read(name + HEADER)
        except FileNotFoundError as error:
            raise UnusableSnapshot(name, "unreadable", "it has been deleted meanwhile") from error
        except OSError as error:
            raise UnusableSnapshot(
                name,
                "unreadable",
                f"its header: {error.strerror or error}",
                fix="check its permissions, or delete it",
            ) from error
        return decode(name, raw)

    @contextmanager
    def _data(self, header: Header) -> Iterator[Path]:
        try:
            with self.folder.local(header.data) as path:
                yield path
        except PermissionError as error:
            raise UnusableSnapshot(
                header.name, "unreadable", f"its data: {error.strerror or error}", fix="check its permissions"
            ) from error

    def _load(self, header: Header, engine: Snapshotable) -> None:
        differing = check_identity(header, engine.identity)
        is_measured_otherwise = any(key.startswith(MEASURE) for key in differing)
        with self._data(header) as path:
            arrays = opened(header, path)
            if is_measured_otherwise:
                arrays = {name: array for name, array in arrays.items() if not name.startswith(ATTRIBUTION)}
            try:
                engine.restore(arrays, header.position)
            except ConfigError as error:
                raise UnusableSnapshot(header.name, "incompatible", error.message, fix=error.fix) from error
        for topic in ("form", "learning", "made_on"):
            then, now = getattr(header.identity, topic), getattr(engine.identity, topic)
            if differing := differences(then, now):
                self._log.info(
                    "the snapshot was made with other settings",
                    snapshot=header.name,
                    what="; ".join(differing),
                )

    def _refuse_loss(
        self, missed: Sequence[tuple[UnusableSnapshot, Position | None]], start: Position, facts: Facts
    ) -> None:
        """A start that would lose what only an incompatible snapshot knows is a configuration error, unless allowed."""
        for error, known in missed:
            n = lost_without(known, start, facts) if error.reason == "incompatible" else 0
            if n and not self.settings.allow_loss:
                raise ConfigError(
                    f"a start would lose {n:,} records that the log no longer has and snapshot {error.name} has "
                    f"learned; it is incompatible: {error.detail}",
                    fix="start with the settings it was made with, or set snapshot.allow_loss = true for this start",
                )
            if n:
                self._log.warning(
                    "records that the log no longer has are lost (snapshot.allow_loss)",
                    records=n,
                    snapshot=error.name,
                )

    def _pass_over(self, error: UnusableSnapshot, refused: dict[str, UnusableSnapshot]) -> None:
        if error.name not in refused:
            self._log.warning(
                "snapshot passed over", snapshot=error.name, why=error.reason, detail=error.detail
            )
        refused[error.name] = error

    def _warn_of(self, gone: Mapping[TopicPartition, int]) -> None:
        for (topic, partition), n in gone.items():
            self._log.warning(
                "records were deleted before they were learned",
                records=n,
                partition=f"{topic}/{partition}",
            )
