"""The cache folder: compiled kernels, fetched data sets, broker jars; and what takes its place where there is none."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from stream_rec.errors import ConfigError

CACHE_VARIABLE = "XDG_CACHE_HOME"


def wanted_cache_folder() -> Path | None:
    """`$XDG_CACHE_HOME/stream-rec`, else `~/.cache/stream-rec`, writable or not; None if this user has no home."""
    base = os.environ.get(CACHE_VARIABLE)  # noqa: TID251
    try:
        return (Path(base) if base else Path.home() / ".cache") / "stream-rec"
    except (
        RuntimeError
    ):  # a user without an entry in the user database and without HOME, as in many containers
        return None


def cache_folder() -> Path:
    """The folder that is wanted; where it cannot be written, one of this user's own in the temporary folder.

    It is made if it is missing.

    Raises:
        ConfigError: neither can be written.
    """
    wanted = wanted_cache_folder()
    if wanted is not None and _is_writable(wanted):
        return wanted
    try:
        instead = Path(tempfile.gettempdir()) / f"stream-rec-{os.geteuid()}"
    except FileNotFoundError:
        instead = None
    if instead is not None and _is_writable(instead) and _is_private(instead):
        return instead
    raise ConfigError(
        f"neither the cache folder {wanted or '~/.cache/stream-rec'} nor a temporary one can be written",
        fix=f"set {CACHE_VARIABLE} or TMPDIR to a writable folder",
    )


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Asking for rights is not enough: a file system may be read-only, full or of another mind.
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _is_private(folder: Path) -> bool:
    """Compiled code is loaded from it, and in a shared temporary folder anybody may have made it before."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
