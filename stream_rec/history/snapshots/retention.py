"""Retention: deletes snapshots beyond those kept of each kind, and files that no header refers to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stream_rec.errors import UnusableSnapshot
from stream_rec.history.snapshots.folder import DATA, HEADER, ORPHAN_SECONDS, SnapshotFolder
from stream_rec.history.snapshots.header import Header, created_of, is_name
from stream_rec.history.snapshots.order import by_kind, log_of, owner_of


def prune(
    folder: SnapshotFolder,
    found: Sequence[Header],
    unreadable: Sequence[UnusableSnapshot],
    *,
    now: float,
    keep: int,
    written: Header | None,
) -> Sequence[str]:
    """As `SnapshotStore.prune`.

    Args:
        folder: of the snapshots.
        found: headers that can be read.
        unreadable: reasons why others cannot.
        now: seconds since the epoch.
        keep: of each kind.
        written: just now: only what is of its log is deleted, and it itself never; None = of all logs.
    """
    spared = {header.name for kind in by_kind(found) for header in kind[:keep]}
    if written is not None:
        spared |= {header.name for header in found if log_of(header) != log_of(written)} | {written.name}
    deleted = [header.name + HEADER for header in found if header.name not in spared]
    # Headers go first: a snapshot without its header is none, one without its data would be torn.
    for file in deleted:
        folder.delete(file)
    needed = {header.data for header in found if header.name in spared}
    dropped = {header.data for header in found} - needed
    owner = f".{owner_of(written)}." if written is not None else ""
    for file in _unnamed(folder, needed, unreadable):
        is_dead = owner in file and now - created_of(_name(file)) > ORPHAN_SECONDS
        if file in dropped or is_dead:
            folder.delete(file)
            deleted.append(file)
    if written is not None:
        folder.delete_parts(now - ORPHAN_SECONDS, owner_of(written))
    return deleted


def delete(folder: SnapshotFolder, found: Sequence[Header], name: str) -> None:
    """Delete a snapshot, and its data unless another header names them.

    Args:
        folder: of the snapshots.
        found: headers that can be read.
        name: of the snapshot, which is there.
    """
    folder.delete(name + HEADER)
    needed = {header.data for header in found if header.name != name}
    mine = {header.data for header in found if header.name == name}
    for file in _unnamed(folder, needed, ()):
        if file in mine or _name(file) == name:
            folder.delete(file)


def _unnamed(
    folder: SnapshotFolder, needed: set[str], unreadable: Sequence[UnusableSnapshot]
) -> Iterator[str]:
    """Data files that no readable header refers to, but for those that an unreadable header may refer to."""
    spared = {error.name for error in unreadable}
    for file in folder.files():
        name = _name(file)
        if file.endswith(DATA) and file not in needed and is_name(name) and name not in spared:
            yield file


def _name(file: str) -> str:
    return file.partition(".")[0]
