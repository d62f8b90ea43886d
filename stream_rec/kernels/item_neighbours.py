"""Co-occurrence of items in users' long histories: sums for a shrunk cosine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import rows
from stream_rec.kernels.codes import CODE_MASK, ROW_MASK, is_current
from stream_rec.kernels.compile import kernel


class ItemNeighbourState(NamedTuple):
    """State.

    Attributes:
        codes: int32 [items, width], items met in the same history.
        counts: float32 [items, width], by how many users.
        degree: float32 [items], users who have the item in their history.
    """

    codes: NDArray[np.int32]
    counts: NDArray[np.float32]
    degree: NDArray[np.float32]


@kernel
def observe(s, past, n_past, code, generation):
    """The user, whose distinct items so far are past[:n_past], takes `code`; nothing if it is among them.

    Counts both directions, so that counts[i, j] == counts[j, i] as long as neither row has overflowed.
    """
    for i in range(n_past):
        if past[i] == code:
            return
    row = code & ROW_MASK
    s.degree[row] += np.float32(1.0)
    for i in range(n_past):
        other = past[i] & CODE_MASK
        if is_current(other, generation):
            rows.add(s.codes, s.counts, row, other, np.float32(1.0))
            rows.add(s.codes, s.counts, other & ROW_MASK, code, np.float32(1.0))


@kernel
def clear(s, row):
    """Forget an item's own row."""
    rows.clear(s.codes, row)
    s.degree[row] = np.float32(0.0)
