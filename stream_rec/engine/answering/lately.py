"""What users have done lately, for the length of one call: what is older leads to nothing, and is not had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.state import State
from stream_rec.kernels.codes import SESSION_START
from stream_rec.kernels.histories import LONGEST_PAUSE, PAUSE_STEP

_SECONDS = np.expm1(np.arange(LONGEST_PAUSE + 1) * PAUSE_STEP)
"""What each number of a pause stands for."""


@contextmanager
def only_since(
    state: State, rows: NDArray[np.int32], hashes: NDArray[np.uint64], ttl_seconds: float
) -> Iterator[None]:
    """Slates that are made inside go by the users' events of the last so many seconds of event time.

    Of what was had before the ring of the last events no times are held: it is too old where anything in the ring is.
    What was learned of a user's taste (factors) stays, as it is of no single event. The state is read only meanwhile.

    Args:
        state: as it was, afterwards.
        rows: int32 [n], of users; below 0 = unknown.
        hashes: uint64 [n], of their ids, 0 = nobody's: what such a request names is of now.
        ttl_seconds: above 0.
    """
    users = np.unique(rows[(rows >= 0) & (hashes != 0)])
    own, heads = state.histories, state.past.heads[users]
    codes = own.items[users]
    too_old = _ages(state, users) > ttl_seconds
    own.items[users] = np.where(too_old, codes & SESSION_START, codes)
    state.past.heads[users] = np.where(too_old.any(axis=1), 0, heads)
    try:
        yield
    finally:
        own.items[users] = codes
        state.past.heads[users] = heads


def _ages(state: State, users: NDArray[np.int32]) -> NDArray[np.float64]:
    """Float64 [n, length], the age of the event in each slot of the users' rings, in seconds; 0 where there is none."""
    own, (n, length) = state.histories, (len(users), state.histories.items.shape[1])
    count = own.n_events[users].astype(np.int64)[:, None]
    back = np.arange(length)[None, :]
    slots = (count - 1 - back) & (length - 1)
    here = np.arange(n)[:, None]
    pauses = _SECONDS[own.pauses[users][here, slots]]
    away = float(state.clock[0]) - state.users.seen[users]
    ages = np.zeros((n, length))
    ages[here, slots] = np.where(back < count, away[:, None] + np.cumsum(pauses, axis=1) - pauses, 0.0)
    return ages
