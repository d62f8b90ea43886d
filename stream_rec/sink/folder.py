"""The sink's folder, on any file system of fsspec. A file is staged first, and published whole by one step."""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import polars as pl
from fsspec.implementations.local import LocalFileSystem

from stream_rec import filesystem
from stream_rec.errors import ConfigError
from stream_rec.settings import SinkSettings
from stream_rec.sink.names import STAGED, DataFile, parsed

_PART = ".part"


class SinkFolder:
    """Files of the sink.

    Args:
        settings: where.

    Raises:
        ConfigError: no folder is set, fsspec lacks what the URL's file system needs, or the bucket does not exist.
        Unavailable (all methods): the file system refuses or does not answer.
    """

    def __init__(self, settings: SinkSettings) -> None:
        if not settings.url:
            raise ConfigError("no folder for the sink", fix="set sink.url to a folder or an fsspec URL")
        self._fs: Any
        self._fs, self._root = filesystem.opened(settings.url, settings.options, "sink")
        self._is_local = isinstance(self._fs, LocalFileSystem)
        with _translated():
            filesystem.need_bucket(self._fs, self._root, "sink")

    def stage(self, file: DataFile, frame: pl.DataFrame) -> int:
        """Write a file where nobody reads it yet; it would survive a power loss. How many bytes."""
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="zstd", statistics=True)
        with _translated():
            path = self._full(file.staged)
            if not self._is_local:  # a store of objects shows it whole or not at all
                self._fs.pipe_file(path, buffer.getvalue())
                return buffer.tell()
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            # Two writers may stage the same offsets, when one does not know yet that it has lost the partition.
            part = Path(f"{path}.{uuid.uuid4().hex}{_PART}")
            with part.open("wb") as target:
                target.write(buffer.getbuffer())
                target.flush()
                os.fsync(target.fileno())
            part.replace(path)
        return buffer.tell()

    def publish(self, file: DataFile) -> None:
        """Make a staged file seen. Nothing if it is published already, by whom ever.

        Raises:
            FileNotFoundError: it is neither staged nor published.
        """
        staged, path = self._full(file.staged), self._full(file.path)
        with _translated():
            try:
                self._move(staged, path)
            except FileNotFoundError:
                self._fs.invalidate_cache()
                if not self._fs.exists(path):
                    raise

    def staged(self) -> list[DataFile]:
        """Files that are not published, of every writer."""
        return list(self._files(STAGED, recursive=False))

    def published(self, folder: str) -> list[DataFile]:
        """Files below a folder, replaced ones among them; see `names.in_force`."""
        return list(self._files(folder, recursive=True))

    def delete_parts(self, older_than: float) -> None:
        """Delete half-written files of writers that died, from before that time (epoch)."""
        if not self._is_local:
            return
        for part in Path(self._full(STAGED)).glob(f"*{_PART}"):
            with suppress(FileNotFoundError):
                if part.stat().st_mtime < older_than:
                    part.unlink()

    def size(self, file: DataFile) -> int:
        """Bytes of a published file; 0 if it has gone."""
        with _translated(), suppress(FileNotFoundError):
            return int(self._fs.size(self._full(file.path)) or 0)
        return 0

    def read(self, file: DataFile) -> pl.DataFrame:
        """A published file.

        Raises:
            FileNotFoundError: it has gone.
        """
        with _translated():
            return pl.read_parquet(
                io.BytesIO(self._fs.cat_file(self._full(file.path))), hive_partitioning=False
            )

    def delete(self, path: str) -> None:
        """Delete a file by its path within the folder; nothing if it has gone."""
        with _translated(), suppress(FileNotFoundError):
            self._fs.rm_file(self._full(path))

    def address(self, file: DataFile) -> str:
        """A published file as other programs open it: a path, or a URL."""
        path = self._full(file.path)
        return path if self._is_local else str(self._fs.unstrip_protocol(path))

    def _move(self, staged: str, path: str) -> None:
        if not self._is_local:
            self._fs.cp_file(staged, path)  # one request: a store of objects shows the copy whole
            with suppress(FileNotFoundError):
                self._fs.rm_file(staged)
            return
        folder = Path(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        Path(staged).replace(path)
        filesystem.sync(folder)

    def _files(self, folder: str, *, recursive: bool) -> Iterator[DataFile]:
        with _translated():
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(self._full(folder), maxdepth=None if recursive else 1)
            except FileNotFoundError:
                return
        for path in found:
            if (file := parsed(str(path))) is not None:
                yield file

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"


def _translated() -> AbstractContextManager[None]:
    return filesystem.translated("sink")
