"""What users were last served, kept small: the rank of each event's item in the user's last written slate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import served as kernels
from stream_rec.kernels.served import COUNTERS, UNKNOWN, WAYS, ServedState

__all__ = ["UNKNOWN", "Served"]

_NO_ITEMS: NDArray[np.uint64] = np.zeros(0, np.uint64)


class Served:
    """A cache of the first places of the last written slates of one scenario.

    Keyed by hashes of ids (0 = none). Evicted users become unknown, which is not a miss: `UNKNOWN` ranks are for the
    caller to look up in Redis and `fill`, or to leave out.

    Args:
        users: slates kept, at most.
        k: places kept of each.
    """

    def __init__(self, users: int, k: int) -> None:
        sets = max(1, users // WAYS)
        self._state = ServedState(
            user=np.zeros((sets, WAYS), np.uint64),
            written=np.zeros((sets, WAYS), np.int64),
            items=np.zeros((sets, WAYS, k), np.uint64),
            counters=np.zeros(1, COUNTERS),
        )
        self._popular = _NO_ITEMS
        self._k = k

    def put(self, users: NDArray[np.uint64], items: NDArray[np.uint64]) -> None:
        """Slates that were written: items [n, any], best first, padded with 0. The last row of a user counts."""
        kernels.put(self._state, users, items, True)

    def fill(self, users: NDArray[np.uint64], items: NDArray[np.uint64]) -> None:
        """Slates as found in Redis, for users that are not known; a row of zeros = the user has none."""
        kernels.put(self._state, users, items, False)

    def forget(self, user: int) -> bool:
        """Drop what a user (a hash) was served; was there something?"""
        found = (self._state.user == np.uint64(user)) & (self._state.written > 0)
        for array in (self._state.user, self._state.written, self._state.items):
            array[found] = 0
        return bool(found.any())

    def set_popular(self, items: NDArray[np.uint64]) -> None:
        """The popular list as it is served now, best first: what a user without a slate is shown."""
        self._popular = np.ascontiguousarray(items[: self._k], np.uint64)

    def ranks(self, users: NDArray[np.uint64], items: NDArray[np.uint64]) -> NDArray[np.int32]:
        """int32 [n]: place of item i in the slate that user i was last served; 0 = miss, UNKNOWN = not in memory."""
        out = np.empty(len(users), np.int32)
        kernels.ranks(self._state, self._popular, users, items, out)
        return out

    def popular_ranks(self, items: NDArray[np.uint64]) -> NDArray[np.int32]:
        """int32 [n]: place of item i in the popular list; 0 = miss. UNKNOWN before there is such a list."""
        if not len(self._popular):
            return np.full(len(items), UNKNOWN, np.int32)
        out = np.empty(len(items), np.int32)
        kernels.ranks_in_list(self._popular, items, out)
        return out

    @property
    def evictions(self) -> int:
        """Users evicted since the start."""
        return int(self._state.counters["evicted"][0])
