"""Several numbers under names, in one element of an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class _Record(np.record):  # type: ignore[misc]  # final in stubs only
    """For plain Python (NUMBA_DISABLE_JIT=1): a field named as a method of numpy's scalars (`item`) is the field."""

    def __getattribute__(self, name: str) -> Any:
        dtype = np.record.__getattribute__(self, "dtype")
        return self[name] if name in (dtype.names or ()) else np.record.__getattribute__(self, name)


def record(fields: Sequence[tuple[str, type[np.generic]]]) -> np.dtype[Any]:
    """Names and types of the numbers. `array[0].name` reads and writes one, in kernels and in plain Python alike."""
    return np.dtype((_Record, list(fields)))
