"""One decorator for every kernel, and a cache on disk that no edit can make stale.

numba keys its cache by the file of the decorated function alone; a kernel that calls one in another file would keep
the old callee. So the cache folder is named by a hash of the text of every room that holds kernels. What is in it is
verified first (`cache_sums`).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numba
import xxhash
from numba import njit

from stream_rec import logs
from stream_rec.errors import ConfigError
from stream_rec.kernels.cache_sums import drop_damaged, record_what_is_compiled
from stream_rec.settings import cache_folder, wanted_cache_folder

ROOMS = ("kernels", "sources", "engine/fold")
"""Folders of the package that hold kernels; no other does."""
PACKAGE = Path(__file__).parents[1]


def digest_of_kernels(package: Path) -> str:
    """A hash of all kernels' text, and of numba's version."""
    digest = xxhash.xxh3_64(numba.__version__.encode())
    for room in ROOMS:
        for path in sorted((package / room).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _cache() -> Path | None:
    """The folder of these kernels; None = they cannot be kept. What is not as wanted is said."""
    log, wanted, name = (
        logs.get("kernels"),
        wanted_cache_folder(),
        Path("kernels", digest_of_kernels(PACKAGE)),
    )
    try:
        folder = cache_folder()
    except ConfigError as error:
        log.warning(
            "compiled kernels cannot be cached: they are recompiled at every start",
            why=error.message,
            fix=error.fix,
        )
        return None
    if folder != wanted:
        log.warning(
            "the cache folder cannot be written: compiled kernels are kept elsewhere",
            wanted=str(wanted or "~/.cache/stream-rec"),
            instead=str(folder),
            fix="set XDG_CACHE_HOME to a writable folder",
        )
        if wanted is not None:
            _copy(wanted / name, folder / name)
    return _verified(folder / name)


def _verified(folder: Path) -> Path | None:
    """The folder without what is not as it was compiled; None if a damaged file in it cannot be deleted."""
    log = logs.get("kernels")
    try:
        n_damaged = drop_damaged(folder)
    except OSError as error:
        log.warning(
            "compiled kernels cannot be verified: they are recompiled at every start",
            folder=str(folder),
            why=str(error),
            fix="delete this folder",
        )
        return None
    if n_damaged:
        log.warning(
            "damaged files in the cache of compiled kernels were deleted: these kernels are recompiled",
            folder=str(folder),
            n_files=n_damaged,
            fix="nothing to do; if it comes up again, check the disk",
        )
    record_what_is_compiled(folder)
    return folder


def _copy(compiled: Path, to: Path) -> None:
    """Take over what was compiled into a folder that is now read-only, as in an image: numba would not read it."""
    if to.exists():
        return
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent) as unfinished:
            shutil.copytree(compiled, Path(unfinished, to.name)).rename(to)
    except (OSError, shutil.Error):  # nothing there, no right to read it, or another process was faster
        return


_CACHE = _cache()
if _CACHE is not None:
    numba.config.CACHE_DIR = str(_CACHE)

_OPTIONS = {"cache": _CACHE is not None, "error_model": "numpy", "boundscheck": False}
# Kernels do not count who holds an array: their callers hold it. With numba's counting, each array that a kernel loads
# would be counted up and down again.
_BORROWED = _OPTIONS | {"_nrt": False}

kernel = njit(**_BORROWED)
"""Compiles a function of arrays and numbers: no Python objects, nothing allocated, division by zero as numpy does it.

Called from Python it keeps the interpreter's lock: right below 0.1 ms, where to get it back may take longer."""

kernel_joined = njit(**(_BORROWED | {"cache": False}))
"""For kernels that are made of others at run time: compiled into the one that calls them, and cached with it."""

kernel_sums = njit(fastmath={"reassoc", "contract", "nsz", "nnan"}, **_BORROWED)
"""For sums and maxima over numbers that are never NaN: they may be reordered into vector lanes, the same way on every
call on one type of CPU."""

kernel_unlocked = njit(nogil=True, **_OPTIONS)
"""For what Python calls and takes long: other threads run meanwhile. May allocate."""

kernel_allocating = njit(**_OPTIONS)
"""For what makes arrays and is soon done."""
