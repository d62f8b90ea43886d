"""Who compiles a kernel: of all processes that need it at the same moment, one, for which the others wait.

So a first start shares the work with whoever starts beside it. A claim is a record lock on a byte of one file: it goes
with the process that holds it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import xxhash

LONGEST_SECONDS = 600.0
"""That another process is waited for: no kernel takes as long, so it hangs, and nobody is waited for from then on."""
_LOOK_SECONDS = 0.02
_HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN)


class Claims:
    """Claims on the kernels of one folder; where the file system has no locks, everybody has them all.

    Args:
        folder: of compiled kernels; None = they are not kept, and nothing is claimed.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder.with_name(f"{folder.name}.claims")
        self._file = -1
        self._waits = True

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Nobody else compiles the kernel of this name meanwhile. Not for several threads at once."""
        if self._path is None or not self._is_open(self._path):
            yield
            return
        waited_since = time.monotonic()
        while not self._is_mine(name) and self._waits:
            time.sleep(_LOOK_SECONDS)
            self._waits = time.monotonic() - waited_since < LONGEST_SECONDS
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte(name))

    def _is_open(self, path: Path) -> bool:
        if self._file < 0:
            with suppress(OSError):  # of a full disk, for one: nothing will be kept
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._file >= 0

    def _is_mine(self, name: str) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(name))
        except OSError as error:
            return error.errno not in _HELD_BY_ANOTHER
        return True


def _byte(name: str) -> int:
    return xxhash.xxh3_64_intdigest(name.encode()) >> 2
