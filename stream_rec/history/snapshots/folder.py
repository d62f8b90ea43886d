"""Where snapshots are kept: a folder, or any file system of fsspec. A snapshot exists once its header does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import UnionType
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from stream_rec import filesystem
from stream_rec.errors import ConfigError
from stream_rec.filesystem import sync
from stream_rec.history.snapshots.header import created_of, is_name
from stream_rec.settings import SnapshotSettings

HEADER, DATA, PART = ".json", ".arrays", ".part"
ORPHAN_SECONDS = 86_400.0
"""Files without a header that are older belong to a writer that died: longer than any upload, and clocks differ."""
_LOOKS = 3
"""Attempts to list a folder while files are being deleted."""


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
        self._fs: Any
        self._fs, self._root = filesystem.opened(settings.url, settings.options, "snapshot")
        self.is_local = isinstance(self._fs, LocalFileSystem)
        self._scratch = self._root if self.is_local else settings.scratch or tempfile.gettempdir()

    def names(self) -> list[str]:
        """Names of all snapshots, the last in the alphabet first."""
        found = (file.removesuffix(HEADER) for file in self.files() if file.endswith(HEADER))
        return sorted((name for name in found if is_name(name)), reverse=True)

    def files(self) -> dict[str, int]:
        """Sizes of all files, by name; empty if there is no folder yet.

        Raises:
            ConfigError: it is a file.
        """
        with _translated():
            for _ in range(_LOOKS):
                self._fs.invalidate_cache()
                try:
                    listed = self._fs.ls(self._root, detail=True)
                except FileNotFoundError:
                    # One of its files may have gone between the listing and a look at it: that is no empty folder.
                    if not self._fs.exists(self._root):
                        break
                    continue
                if [each["name"] for each in listed if each["type"] == "file"] == [self._root]:
                    raise ConfigError(f"{self._root} is a file", fix="set snapshot.url to a folder")
                return {each["name"].rsplit("/", 1)[-1]: each["size"] or 0 for each in listed}
            else:
                raise OSError(f"{self._root} keeps changing while it is listed")
            filesystem.need_bucket(self._fs, self._root, "snapshot")
        return {}

    def read(self, file: str) -> bytes:
        """A small file.

        Raises:
            FileNotFoundError: it is not there.
            OSError: this file cannot be read; others may be readable.
        """
        with _translated(OSError if self.is_local else PermissionError | IsADirectoryError):
            return bytes(self._fs.cat_file(self._path(file)))

    @contextmanager
    def local(self, file: str) -> Iterator[Path]:
        """The file as one on this machine: itself, or a copy that is deleted afterwards. It may not be there."""
        if self.is_local:
            yield Path(self._path(file))
            return
        with tempfile.TemporaryDirectory(prefix="snapshot-", dir=self._scratch) as folder:
            path = Path(folder) / file
            with _translated(PermissionError), suppress(FileNotFoundError):
                self._fs.get_file(self._path(file), str(path))
            yield path

    def data_of(self, name: str, owner: str) -> str:
        """The file with a new snapshot's arrays.

        Args:
            name: of the snapshot.
            owner: tells whose log it is of, when the header is not there (`order.owner_of`).
        """
        return f"{name}.{owner}{DATA}"

    def part(self, data: str) -> Path:
        """Where a new snapshot's arrays are written to before they are published; the folder is made."""
        folder = Path(self._scratch)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{data}{PART}"

    def put_data(self, data: str, part: Path, *, durable: bool = True) -> None:
        """Put arrays into their place, the first half of a publication.

        Args:
            data: name of the data file.
            part: the arrays' file, which is moved.
            durable: whether to return only once it would survive a power loss; otherwise one may tear it, and it is
                then refused.
        """
        with _translated():
            if self.is_local:
                sync(part, durable)
                part.replace(self._path(data))
                return
            self._fs.makedirs(self._root, exist_ok=True)
            self._fs.put_file(str(part), self._path(data))
            part.unlink(missing_ok=True)

    def put_header(self, name: str, header: bytes, *, durable: bool = True) -> None:
        """The second half: whoever lists sees all of a snapshot or nothing."""
        with _translated():
            if not self.is_local:
                self._fs.pipe_file(self._path(name + HEADER), header)
                return
            unsealed = Path(self._path(name + HEADER + PART))
            unsealed.write_bytes(header)
            sync(unsealed, durable)
            unsealed.replace(self._path(name + HEADER))
            sync(Path(self._root), durable)

    def delete(self, file: str) -> None:
        """Delete a file; nothing if it has gone."""
        with _translated(), suppress(FileNotFoundError):
            self._fs.rm_file(self._path(file))

    def delete_parts(self, older_than: float, owner: str) -> None:
        """Delete what writers of one owner on this machine left unfinished that began before that time (epoch)."""
        for path in Path(self._scratch).glob(f"*.{owner}{DATA}{PART}"):
            name = path.name.partition(".")[0]
            if is_name(name) and created_of(name) < older_than:
                path.unlink(missing_ok=True)

    def _path(self, file: str) -> str:
        return f"{self._root}/{file}"


def _translated(kept: type[Exception] | UnionType = FileNotFoundError) -> AbstractContextManager[None]:
    return filesystem.translated("snapshots", kept)
