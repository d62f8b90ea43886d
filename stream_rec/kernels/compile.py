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

kernel = njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
"""Compiles a function of arrays and numbers: no Python objects, no lock held, division by zero as numpy does it."""

kernel_sums = njit(
    cache=True, nogil=True, error_model="numpy", boundscheck=False, fastmath={"reassoc", "contract", "nsz"}
)
"""For dot products: sums may be reordered into vector lanes (the same way on every call on one type of CPU)."""
