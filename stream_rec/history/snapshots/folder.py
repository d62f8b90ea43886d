"""Where snapshots are kept: a folder, or any file system of fsspec. A snapshot exists once its header does."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import UnionType
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from stream_rec.errors import ConfigError, StreamRecError, Unavailable
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
        try:
            self._fs: Any
            self._fs, root = fsspec.core.url_to_fs(settings.url, **settings.options)
        except ImportError as error:
            scheme = settings.url.partition(":")[0]
            package = "'stream-rec[s3]'" if scheme in ("s3", "s3a") else f"the package for {scheme}: URLs"
            raise ConfigError(
                f"snapshot.url cannot be opened: {error}", fix=f"pip install {package}"
            ) from error
        except (ValueError, TypeError) as error:
            raise ConfigError(
                f"snapshot.url cannot be opened: {error}", fix="correct snapshot.url and snapshot.options"
            ) from error
        self._root = str(root).rstrip("/")
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
            self._need_bucket()
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
                _sync(part, durable)
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
            _sync(unsealed, durable)
            unsealed.replace(self._path(name + HEADER))
            _sync(Path(self._root), durable)

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

    def _need_bucket(self) -> None:
        """A store of objects has no folders, so one without files is no error; a bucket that is not there is one.

        Raises:
            ConfigError: it is not there.
        """
        bucket = self._root.partition("/")[0]
        is_of_objects = not {"s3", "gs", "az"}.isdisjoint(_protocols(self._fs))
        if is_of_objects and not self._fs.exists(bucket):
            raise ConfigError(f"bucket {bucket!r} does not exist", fix="create it, or correct snapshot.url")

    def _path(self, file: str) -> str:
        return f"{self._root}/{file}"


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _sync(path: Path, durable: bool) -> None:
    """Sync the file, or the folder; or let the kernel write it back in its own time."""
    if not durable:
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _translated(kept: type[Exception] | UnionType = FileNotFoundError) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, FileNotFoundError | StreamRecError | kept):
            raise
        raise Unavailable("snapshots", f"{type(error).__name__}: {error}") from error
