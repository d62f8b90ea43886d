"""Where snapshots lie: a folder, or any file system that fsspec knows. Headers come last, and make a snapshot one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from stream_rec.errors import ConfigError, Unavailable
from stream_rec.history.snapshots.header import NAME, created_of
from stream_rec.settings import SnapshotSettings

HEADER, DATA, PART = ".json", ".arrays", ".part"
ORPHAN_SECONDS = 3600.0
"""Files without a header that are older belong to a writer that died."""


class SnapshotFolder:
    """Files of snapshots.

    Args:
        settings: where.

    Raises:
        ConfigError: no folder is set, or fsspec lacks what the URL's file system needs.
        Unavailable (all methods): the file system refuses or does not answer.
    """

    def __init__(self, settings: SnapshotSettings) -> None:
        if not settings.url:
            raise ConfigError("no folder for snapshots", fix="set snapshot.url to a folder or an fsspec URL")
        try:
            self._fs: Any
            self._fs, root = fsspec.core.url_to_fs(settings.url, **settings.options)
        except (ImportError, ValueError, TypeError) as error:
            raise ConfigError(
                f"snapshot.url cannot be opened: {error}",
                fix="correct snapshot.url and snapshot.options, or install the package for that file system",
            ) from error
        self._root = str(root).rstrip("/")
        self.is_local = isinstance(self._fs, LocalFileSystem)
        self._scratch = self._root if self.is_local else settings.scratch or tempfile.gettempdir()

    def names(self) -> list[str]:
        """Names of all snapshots, newest first."""
        found = (file.removesuffix(HEADER) for file in self.files() if file.endswith(HEADER))
        return sorted((name for name in found if NAME.fullmatch(name)), reverse=True)

    def files(self) -> dict[str, int]:
        """Sizes of all files, by name; empty if there is no folder yet."""
        with _translated():
            self._fs.invalidate_cache()
            try:
                listed = self._fs.ls(self._root, detail=True)
            except FileNotFoundError:
                return {}
        return {each["name"].rsplit("/", 1)[-1]: each["size"] or 0 for each in listed}

    def read(self, file: str) -> bytes:
        """A small file.

        Raises:
            FileNotFoundError: it is not there.
        """
        with _translated():
            return bytes(self._fs.cat_file(self._path(file)))

    @contextmanager
    def local(self, file: str) -> Iterator[Path]:
        """The file as one on this machine: itself, or a copy that is deleted afterwards. It may not be there."""
        if self.is_local:
            yield Path(self._path(file))
            return
        with tempfile.TemporaryDirectory(prefix="snapshot-", dir=self._scratch) as folder:
            path = Path(folder) / file
            with _translated(), suppress(FileNotFoundError):
                self._fs.get_file(self._path(file), str(path))
            yield path

    def data_of(self, name: str) -> str:
        """The file with a new snapshot's arrays."""
        return name + DATA

    def part(self, name: str) -> Path:
        """Where a new snapshot's arrays are written to before they are published; the folder is made."""
        folder = Path(self._scratch)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}{DATA}{PART}"

    def publish(self, name: str, header: bytes, part: Path | None, *, durable: bool = True) -> None:
        """Put the arrays into their place, then the header: whoever lists sees all of a snapshot or nothing.

        Args:
            name: of the snapshot.
            header: its file.
            part: the arrays' file, which goes; None = they are there already.
            durable: return when it would survive a loss of power; else it may be torn by one, and is refused then.
        """
        with _translated():
            if self.is_local:
                self._publish_here(name, header, part, _sync if durable else _leave)
                return
            self._fs.makedirs(self._root, exist_ok=True)
            if part is not None:
                self._fs.put_file(str(part), self._path(self.data_of(name)))
                part.unlink()
            self._fs.pipe_file(self._path(name + HEADER), header)

    def delete(self, file: str) -> None:
        """Delete a file; nothing if it has gone."""
        with _translated(), suppress(FileNotFoundError):
            self._fs.rm_file(self._path(file))

    def delete_parts(self, older_than: float) -> None:
        """Delete what writers on this machine left unfinished that began before so many seconds since the epoch."""
        for path in Path(self._scratch).glob(f"*{DATA}{PART}"):
            name = path.name.partition(".")[0]
            if NAME.fullmatch(name) and created_of(name) < older_than:
                path.unlink(missing_ok=True)

    def _publish_here(
        self, name: str, header: bytes, part: Path | None, sync: Callable[[Path], None]
    ) -> None:
        if part is not None:
            sync(part)
            part.replace(self._path(self.data_of(name)))
        unsealed = Path(self._path(name + HEADER + PART))
        unsealed.write_bytes(header)
        sync(unsealed)
        unsealed.replace(self._path(name + HEADER))
        sync(Path(self._root))

    def _path(self, file: str) -> str:
        return f"{self._root}/{file}"


def _sync(path: Path) -> None:
    """Wait until the file, or the folder's list of names, is on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _leave(_: Path) -> None:
    """The kernel writes it to the disk in its own time."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        raise Unavailable("snapshots", f"{type(error).__name__}: {error}") from error
