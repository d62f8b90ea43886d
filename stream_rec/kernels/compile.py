"""One decorator for every kernel, and a cache on disk that no edit can make stale.

numba keys its cache by the file of the decorated function alone; a kernel that calls one in another file would keep
the old callee. So the cache folder is named by a hash of all kernel sources.
"""

from __future__ import annotations

from pathlib import Path

import numba
import xxhash
from numba import njit

from stream_rec.settings import cache_folder


def _sources_digest() -> str:
    digest = xxhash.xxh3_64(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


numba.config.CACHE_DIR = str(cache_folder() / "kernels" / _sources_digest())

_OPTIONS = {"cache": True, "error_model": "numpy", "boundscheck": False}
# Kernels hold no references: their callers do. With numba's counting, every call that takes the state would count 150
# arrays up and down again.
_BORROWED = _OPTIONS | {"_nrt": False}

kernel = njit(**_BORROWED)
"""Compiles a function of arrays and numbers: no Python objects, nothing allocated, division by zero as numpy does it.

Called from Python it keeps the interpreter's lock: right below 0.1 ms, where to get it back may take longer."""

kernel_inlined = njit(forceinline=True, **_BORROWED)
"""For what takes the state and is called for every query or candidate: a call hands over 1,000 words, 1 us."""

kernel_sums = njit(fastmath={"reassoc", "contract", "nsz", "nnan"}, **_BORROWED)
"""For sums and maxima over numbers that are never NaN: they may be reordered into vector lanes, the same way on every
call on one type of CPU."""

kernel_unlocked = njit(nogil=True, **_OPTIONS)
"""For what Python calls and takes long: other threads run meanwhile. May allocate, and open a handle."""

kernel_allocating = njit(**_OPTIONS)
"""For what makes arrays and is soon done."""
