"""The events that stand in a user's basket, for the length of one call: others lead to nothing, and count as had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.state import State
from stream_rec.kernels.histories import WEIGHTLESS
from stream_rec.schemas.event_types import N_TYPES


@contextmanager
def only_of(state: State, rows: NDArray[np.int32], hashes: NDArray[np.uint64], types: int) -> Iterator[None]:
    """Slates that are made inside go by the users' events of some types alone; the state is read only meanwhile.

    Events of other types have no weight, as those whose type says so: nothing starts from them, and they are had.

    Args:
        state: as it was, afterwards.
        rows: int32 [n], of users; below 0 = unknown.
        hashes: uint64 [n], of their ids, 0 = nobody's: the items that such a request names are the basket.
        types: bit set, as `schemas.event_types.EventTypes.mask_of` gives it.
    """
    users = rows[(rows >= 0) & (hashes != 0)]
    kinds = state.histories.types[users]
    others = (types >> (kinds & (N_TYPES - 1)).astype(np.int64)) & 1 == 0
    state.histories.types[users] = np.where(others, kinds | WEIGHTLESS, kinds)
    try:
        yield
    finally:
        state.histories.types[users] = kinds
