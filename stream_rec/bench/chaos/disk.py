"""A small disk for snapshots and journals, to be filled up."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

SIZE_MIB = 4096
"""Room for every snapshot that a run leaves: of each kind the last ones, damaged ones, and parts of killed writers."""


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
        self.is_small = self._mount(f"size={SIZE_MIB}m", "-t", "tmpfs", "tmpfs")

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is left inside of the context."""
        disk = os.statvfs(self.folder)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        if not self._mount(f"remount,size={max(used, disk.f_frsize)}"):
            raise OSError(errno.EIO, "the small disk cannot be made smaller", str(self.folder))
        try:
            yield
        finally:
            self._mount(f"remount,size={SIZE_MIB}m")

    def _mount(self, options: str, *what: str) -> bool:
        command = ["mount", "-o", options, *what, str(self.folder)]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self.is_small:
            # Lazily: a worker that is being ended may still have a file open.
            subprocess.run(["umount", "-l", str(self.folder)], check=False)
