"""Whether one user id has an absurd share of all events: a bot, or an id that a tracker gives to everybody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import EventBatch, IdColumn

WINDOW, SHORT_WINDOW = 10_000, 1_000
"""Events that a share is of: for any id, and for one of NOBODY."""
ABSURD, ABSURD_NOBODY = 0.25, 0.1
"""The shares that are said."""
NOBODY = (
    *("undefined", "null", "none", "nil", "nan", "0", "-1", "unknown", "anonymous", "anon", "guest", "user"),
    *("visitor", "default", "test", "(not set)", "[object object]", "n/a", "na", "false", "true"),
    "00000000-0000-0000-0000-000000000000",
)
"""What ids are when there is none, in small letters."""
_MAX_COUNTED = 64


class UserShares:
    """Counts events by user over windows, and logs the first absurd share.

    It counts at most 64 ids by Misra-Gries (Science of Computer Programming 1982), so a share is understated by less
    than 1/64. What it knows is no part of the state.

    Attributes:
        largest: the largest share that one id had in the last whole window; 0 before.
    """

    def __init__(self) -> None:
        self.largest = 0.0
        self._any = _Window(WINDOW)
        self._nobody = _Window(SHORT_WINDOW)
        self._said = False

    def look(self, batch: EventBatch, first: int) -> None:
        """Look at the events of a batch from index `first` on."""
        n = len(batch) - first
        if n <= 0:
            return
        hashes, counts = np.unique(hash_ids(batch.users)[first:], return_counts=True)
        most, nobody = np.argsort(-counts, kind="stable")[:_MAX_COUNTED], _are_nobody(hashes)
        if self._any.add(n, hashes[most], counts[most]):
            self.largest = self._any.share
            self._judge(batch, self._any, ABSURD)
        if self._nobody.add(n, hashes[nobody], counts[nobody]):
            self._judge(batch, self._nobody, ABSURD_NOBODY)

    def forget(self, user: int) -> None:
        """A user (a hash) is counted no more."""
        for window in (self._any, self._nobody):
            window.forget(user)

    def _judge(self, batch: EventBatch, window: _Window, absurd: float) -> None:
        if self._said or window.share < absurd:
            return
        known = np.flatnonzero(hash_ids(batch.users) == np.uint64(window.loudest))
        if not len(known):  # the next window will tell
            return
        self._said = True
        user, share = batch.only(known[:1]).users.to_list()[0], window.share
        logs.get("learn").warning(
            "one user has an absurd share of all events: a bot, or an id that is given to everybody",
            user_id=user,
            share=f"{share:.0%}",
            fix="give every visitor an id of its own, say a cookie's; leave events without one out",
        )


class _Window:
    """The most frequent ids of so many events.

    Attributes:
        loudest: hash of the most frequent id of the last whole window.
        share: its part of that window's events.
    """

    def __init__(self, length: int) -> None:
        self.loudest, self.share = 0, 0.0
        self._length = length
        self._n = 0
        self._counts: dict[int, int] = {}

    def forget(self, user: int) -> None:
        """This id is counted no more."""
        self._counts.pop(user, None)
        if self.loudest == user:
            self.loudest = 0

    def add(self, n: int, hashes: NDArray[np.uint64], counts: NDArray[np.int64]) -> bool:
        """Count n events, of which some are of these ids; do they end the window?"""
        self._n += n
        for user_hash, count in zip(hashes.tolist(), counts.tolist(), strict=True):
            self._counts[user_hash] = self._counts.get(user_hash, 0) + count
        if len(self._counts) > _MAX_COUNTED:
            smallest = sorted(self._counts.values(), reverse=True)[_MAX_COUNTED]
            self._counts = {h: count - smallest for h, count in self._counts.items() if count > smallest}
        if self._n < self._length:
            return False
        self.loudest, most = max(self._counts.items(), key=lambda each: each[1], default=(0, 0))
        self.share = most / self._n
        self._n, self._counts = 0, {}
        return True


def _spellings() -> list[str]:
    return [made for name in NOBODY for made in {name, name.upper(), name.capitalize(), name.title()}]


_NOBODY = np.sort(hash_ids(IdColumn.of([*_spellings(), "NaN", "[object Object]"])))


def _are_nobody(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """np.isin, which sorts both sides anew at every call, took four fifths of the time of a look."""
    found: NDArray[np.bool_] = _NOBODY[np.searchsorted(_NOBODY[:-1], hashes)] == hashes
    return found
