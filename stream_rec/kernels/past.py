"""What a user has had before the ring of the last events: an exact set of item codes per user, in pages of one pool.

A page holds PAGE_ITEMS codes; a user's pages are a chain from `heads`, the newest first. Most users have none. When the
pool is used up, a sweep takes the oldest page of some user: what was had longest ago is forgotten.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.codes import ROW_MASK, is_current
from stream_rec.kernels.compile import kernel
from stream_rec.kernels.ownership import PerUser
from stream_rec.kernels.records import record

BYTES_PER_USER = 32
"""Of the pool, for every user that there is room for."""
PAGE_ITEMS = 13
OWNER, OLDER, COUNT, FIRST = 0, 1, 2, 3
"""Columns of a page: user row, page + 1 of the next older page or of the next free one, codes held, the first code."""
PAGE = FIRST + PAGE_ITEMS
COUNTERS = record([(name, np.int64) for name in ("n_pages", "free", "hand", "n_forgotten")])
"""Pages ever taken, page + 1 of a free one, page at which the next sweep looks, codes forgotten for want of room."""


class PastState(NamedTuple):
    """All users' sets.

    Attributes:
        heads: int32 [users], page + 1 of the newest page; 0 = none.
        pages: int32 [P, PAGE].
        counters: COUNTERS [1].
    """

    heads: PerUser[np.int32]
    pages: NDArray[np.int32]
    counters: NDArray[np.void]


def empty(bounds: Bounds) -> PastState:
    """Nobody has had anything."""
    return PastState(
        heads=np.zeros(bounds.users, np.int32),
        pages=np.zeros((max(4, bounds.users * BYTES_PER_USER // (4 * PAGE)), PAGE), np.int32),
        counters=np.zeros(1, COUNTERS),
    )


@kernel
def holds(own, user, code):
    """Has the user had the item before the ring?"""
    page = np.int64(own.heads[user]) - 1
    while page >= 0:
        for at in range(FIRST, FIRST + own.pages[page, COUNT]):
            if own.pages[page, at] == code:
                return True
        page = np.int64(own.pages[page, OLDER]) - 1
    return False


@kernel
def add(own, user, code):
    """The user has had the item; nothing changes if that is known."""
    if holds(own, user, code):
        return
    page = np.int64(own.heads[user]) - 1
    if page < 0 or own.pages[page, COUNT] == PAGE_ITEMS:
        page = _free_page(own)
        own.pages[page, OWNER] = user
        own.pages[page, OLDER] = own.heads[user]
        own.pages[page, COUNT] = 0
        own.heads[user] = page + 1
    own.pages[page, FIRST + own.pages[page, COUNT]] = code
    own.pages[page, COUNT] += 1


@kernel
def _free_page(own):
    counters = own.counters[0]
    if counters.free > 0:
        page = counters.free - 1
        counters.free = own.pages[page, OLDER]
        return page
    if counters.n_pages < own.pages.shape[0]:
        page = counters.n_pages
        counters.n_pages = page + 1
        return page
    victim = np.int64(own.pages[counters.hand, OWNER])
    counters.hand = (counters.hand + 1) % own.pages.shape[0]
    newer, page = np.int64(-1), np.int64(own.heads[victim]) - 1
    while own.pages[page, OLDER] > 0:
        newer, page = page, np.int64(own.pages[page, OLDER]) - 1
    if newer < 0:
        own.heads[victim] = 0
    else:
        own.pages[newer, OLDER] = 0
    counters.n_forgotten += own.pages[page, COUNT]
    return page


@kernel
def clear(own, user):
    """Forget a user: the pages are wiped and free."""
    page = np.int64(own.heads[user]) - 1
    own.heads[user] = 0
    while page >= 0:
        older = np.int64(own.pages[page, OLDER]) - 1
        own.pages[page, :] = 0
        own.pages[page, OLDER] = own.counters[0].free
        own.counters[0].free = page + 1
        page = older


@kernel
def mark(own, generation, user, marks, value):
    """Marks bool [items] of all that the user has had before the ring, and that is there still."""
    page = np.int64(own.heads[user]) - 1
    while page >= 0:
        for at in range(FIRST, FIRST + own.pages[page, COUNT]):
            code = own.pages[page, at]
            if is_current(code, generation):
                marks[code & ROW_MASK] = value
        page = np.int64(own.pages[page, OLDER]) - 1
