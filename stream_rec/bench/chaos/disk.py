"""A small disk for snapshots and journals, to be filled up."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

SIZE_MIB = 512
_CHUNK = bytes(1 << 20)


class Disk:
    """A tmpfs where one can be mounted (root, Linux); elsewhere an ordinary folder, which cannot be filled.

    Args:
        folder: where it is mounted; it is made.

    Attributes:
        is_small: can it be filled.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(folder)]
        try:
            self.is_small = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            self.is_small = False

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is left inside of the context."""
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            chunk = _CHUNK
            while chunk:
                try:
                    file.write(chunk)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    chunk = chunk[: len(chunk) // 2]
        try:
            yield
        finally:
            filler.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self.is_small:
            # Lazily: a worker that is being ended may still have a file open.
            subprocess.run(["umount", "-l", str(self.folder)], check=False)
