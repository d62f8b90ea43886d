"""Snapshots of the engine: listed, loaded, checked, kept (docs/snapshots.md). `snapshots_writer` writes them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.engine.state.identity import Identity
from stream_rec.errors import ConfigError, UnusableSnapshot
from stream_rec.history.snapshots.data import opened
from stream_rec.history.snapshots.facts import Facts, check_identity, check_log, differences
from stream_rec.history.snapshots.folder import HEADER, ORPHAN_SECONDS, SnapshotFolder
from stream_rec.history.snapshots.header import (
    NAME,
    Header,
    Position,
    created_of,
    decode,
    encode,
    new_name,
)
from stream_rec.settings import SnapshotSettings


class Snapshotable(Protocol):
    """What can be kept in a snapshot: the engine (see `Engine.snapshot` and `Engine.restore`)."""

    identity: Identity
    position: dict[tuple[str, int], int]

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
        problem: why it cannot be used, as far as the header tells; empty = it may well be.
        notes: what the writer added.
    """

    name: str
    created: float
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
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
    gone: dict[tuple[str, int], int]
    refused: list[UnusableSnapshot]


class SnapshotStore:
    """The snapshots of one tenant. Any number of processes may read and write at once.

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
        """All snapshots, newest first."""
        return [self._info(name) for name in self.folder.names()]

    def header(self, name: str) -> Header:
        """A snapshot's header.

        Raises:
            ConfigError: there is no such snapshot.
            UnusableSnapshot: the header cannot be read.
        """
        if not NAME.fullmatch(name) or name + HEADER not in self.folder.files():
            raise ConfigError(f"no snapshot {name!r}", fix="`stream-rec snapshot list` shows what is there")
        return self._header(name)

    def verify(self, name: str) -> SnapshotInfo:
        """Compare every byte of a snapshot with its checksums.

        Raises:
            ConfigError: there is no such snapshot.
            UnusableSnapshot: torn or corrupt.
        """
        header = self.header(name)
        with self.folder.local(header.data) as path:
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

    def newest_usable(self, engine: Snapshotable, facts: Facts) -> Restored | None:
        """Fill an empty engine from the newest snapshot that is whole, and fits the engine and the log.

        What is wrong with those that are passed over, and how many records were deleted before they could be learned,
        is logged. None: there is none to be used, the engine is as it was.
        """
        refused: list[UnusableSnapshot] = []
        for name in self.folder.names():
            try:
                header = self._header(name)
                gone = check_log(header, facts)
                self._load(header, engine)
            except UnusableSnapshot as error:
                self._log.warning(
                    "snapshot passed over", snapshot=name, why=error.reason, detail=error.detail
                )
                refused.append(error)
                continue
            for (topic, partition), n in gone.items():
                self._log.warning(
                    "records were deleted before they were learned",
                    records=n,
                    partition=f"{topic}/{partition}",
                )
            return Restored(SnapshotInfo.of(header), gone, refused)
        return None

    def promote(self, name: str, clock: Clock) -> SnapshotInfo:
        """Make a snapshot the newest one, under a new name: workers that start now start from it.

        Raises:
            ConfigError: there is no such snapshot.
            UnusableSnapshot: torn or corrupt.
        """
        self.verify(name)
        created = clock.now()
        new = msgspec.structs.replace(
            self.header(name), name=new_name(created, os.urandom(2)), created=created
        )
        self.folder.publish(new.name, encode(new), None)
        return SnapshotInfo.of(new)

    def prune(self, now: float, keep: int | None = None) -> Sequence[str]:
        """Delete all but the newest readable snapshots, and files that dead writers left; what was deleted.

        Args:
            now: seconds since the epoch.
            keep: how many; None = `snapshot.keep`.
        """
        self.folder.delete_parts(now - ORPHAN_SECONDS)
        infos = self.list()
        kept = [info.name for info in infos if not info.problem][: keep or self.settings.keep]
        if not kept:
            return []
        needed = {self._header(name).data for name in kept} | {name + HEADER for name in kept}
        deleted = []
        # Headers go first: a snapshot without its header is none, one without its data would be torn.
        for file in sorted(self.folder.files(), key=lambda file: not file.endswith(HEADER)):
            name = file.partition(".")[0]
            if not NAME.fullmatch(name) or file in needed:
                continue
            is_listed = any(info.name == name for info in infos)
            if (is_listed and name < kept[-1]) or now - created_of(name) > ORPHAN_SECONDS:
                self.folder.delete(file)
                deleted.append(file)
        return deleted

    def _info(self, name: str) -> SnapshotInfo:
        try:
            return SnapshotInfo.of(self._header(name))
        except UnusableSnapshot as error:
            return SnapshotInfo(name, created_of(name), problem=f"{error.reason}: {error.detail}")

    def _header(self, name: str) -> Header:
        try:
            raw = self.folder.read(name + HEADER)
        except FileNotFoundError as error:
            raise UnusableSnapshot(name, "unreadable", "it was deleted meanwhile") from error
        return decode(name, raw)

    def _load(self, header: Header, engine: Snapshotable) -> None:
        check_identity(header, engine.identity)
        with self.folder.local(header.data) as path:
            arrays = opened(header, path)
            try:
                engine.restore(arrays, header.position)
            except ConfigError as error:
                raise UnusableSnapshot(header.name, "incompatible", error.message, fix=error.fix) from error
        for topic in ("learning", "made_on"):
            then, now = getattr(header.identity, topic), getattr(engine.identity, topic)
            if differing := differences(then, now):
                self._log.info(
                    "the snapshot was made otherwise", snapshot=header.name, what="; ".join(differing)
                )
