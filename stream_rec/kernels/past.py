"""What a user has had before the ring of the last events: an exact set of item codes per user, in pages of one pool.

Beside a code stands by which types of events it was had, a bit set. A page holds PAGE_ITEMS codes, the newest last; a
user's pages are a chain from `heads`, the newest first. Most users have none. When the pool is used up, a sweep takes
the oldest page of some user: what was had longest ago is forgotten.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.codes import ROW_MASK, is_current
from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.kernels.ownership import PerUser
from stream_rec.kernels.records import record

BYTES_PER_USER = 32
"""Of the pool, for every user that there is room for."""
PAGE_ITEMS = 13
OWNER, OLDER, COUNT, FIRST = 0, 1, 2, 3
"""Columns of a page: user row, page + 1 of the next older page or of the next free one, codes held, the first code."""
PAGE = FIRST + PAGE_ITEMS
PAGE_BYTES = 4 * PAGE + 2 * PAGE_ITEMS
COUNTERS = record([(name, np.int64) for name in ("n_pages", "free", "hand", "n_forgotten")])
"""Pages ever taken, page + 1 of a free one, page at which the next sweep looks, codes forgotten for want of room."""


class PastState(NamedTuple):
    """All users' sets.

    Attributes:
        heads: int32 [users], page + 1 of the newest page; 0 = none.
        pages: int32 [P, PAGE].
        types: uint16 [P, PAGE_ITEMS], bit b: by an event whose type has number b (`schemas.event_types`).
        counters: COUNTERS [1].
    """

    heads: PerUser[np.int32]
    pages: NDArray[np.int32]
    types: NDArray[np.uint16]
    counters: NDArray[np.void]


def empty(bounds: Bounds) -> PastState:
    """Nobody has had anything."""
    n_pages = max(4, bounds.users * BYTES_PER_USER // PAGE_BYTES)
    return PastState(
        heads=np.zeros(bounds.users, np.int32),
        pages=np.zeros((n_pages, PAGE), np.int32),
        types=np.zeros((n_pages, PAGE_ITEMS), np.uint16),
        counters=np.zeros(1, COUNTERS),
    )


@kernel
def types_of(own, user, code):
    """By which types of events the user has had the item before the ring: a bit set, 0 = the user has not."""
    page, at = _find(own, user, code)
    return own.types[page, at] if page >= 0 else np.uint16(0)


@kernel
def add(own, user, code, types, renewing):
    """The user has had the item, by events of these types (a bit set); what is known is joined.

    Args:
        own: changed in place.
        user: row.
        code: of the item.
        types: uint16.
        renewing: bit set: with one of these types an item that is known becomes the newest.
    """
    page, at = _find(own, user, code)
    known = np.uint16(types)
    if page >= 0:
        known |= own.types[page, at]
        is_newest = page == own.heads[user] - 1 and at == own.pages[page, COUNT] - 1
        if is_newest or np.uint16(types) & np.uint16(renewing) == 0:
            own.types[page, at] = known
            return
        _take_out(own, user, page, at)
    page = np.int64(own.heads[user]) - 1
    if page < 0 or own.pages[page, COUNT] == PAGE_ITEMS:
        page = _free_page(own)
        own.pages[page, OWNER] = user
        own.pages[page, OLDER] = own.heads[user]
        own.pages[page, COUNT] = 0
        own.heads[user] = page + 1
    at = own.pages[page, COUNT]
    own.pages[page, FIRST + at] = code
    own.types[page, at] = known
    own.pages[page, COUNT] += 1


@kernel_inner
def _find(own, user, code):
    """Page and place of an item; page -1 = the user has not had it."""
    page = np.int64(own.heads[user]) - 1
    while page >= 0:
        for at in range(own.pages[page, COUNT]):
            if own.pages[page, FIRST + at] == code:
                return page, np.int64(at)
        page = np.int64(own.pages[page, OLDER]) - 1
    return np.int64(-1), np.int64(-1)


@kernel_inner
def _take_out(own, user, page, at):
    """Close the gap in a page; an empty page is free."""
    last = own.pages[page, COUNT] - 1
    for to in range(at, last):
        own.pages[page, FIRST + to] = own.pages[page, FIRST + to + 1]
        own.types[page, to] = own.types[page, to + 1]
    own.pages[page, FIRST + last] = 0
    own.types[page, last] = 0
    own.pages[page, COUNT] = last
    if last > 0:
        return
    if own.heads[user] == page + 1:
        own.heads[user] = own.pages[page, OLDER]
    else:
        newer = np.int64(own.heads[user]) - 1
        while own.pages[newer, OLDER] != page + 1:
            newer = np.int64(own.pages[newer, OLDER]) - 1
        own.pages[newer, OLDER] = own.pages[page, OLDER]
    own.pages[page, :] = 0
    own.pages[page, OLDER] = own.counters[0].free
    own.counters[0].free = page + 1


@kernel
def join(own, giver, taker, is_older):
    """All that one user has had, the other has had; the giver is left with nothing. What both had may stand twice."""
    first = np.int64(own.heads[giver]) - 1
    own.heads[giver] = 0
    page = last = first
    while page >= 0:
        own.pages[page, OWNER] = taker
        last, page = page, np.int64(own.pages[page, OLDER]) - 1
    if first < 0:
        return
    if not is_older or own.heads[taker] == 0:
        own.pages[last, OLDER] = own.heads[taker]
        own.heads[taker] = first + 1
        return
    page = np.int64(own.heads[taker]) - 1
    while own.pages[page, OLDER] > 0:
        page = np.int64(own.pages[page, OLDER]) - 1
    own.pages[page, OLDER] = first + 1


@kernel_inner
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
        own.types[page, :] = 0
        own.pages[page, OLDER] = own.counters[0].free
        own.counters[0].free = page + 1
        page = older


@kernel
def mark(own, generation, user, types, marks, value):
    """Marks bool [items] of what the user has had before the ring by events of some types, and that is there still."""
    page = np.int64(own.heads[user]) - 1
    while page >= 0:
        for at in range(own.pages[page, COUNT]):
            code = own.pages[page, FIRST + at]
            if own.types[page, at] & np.uint16(types) != 0 and is_current(code, generation):
                marks[code & ROW_MASK] = value
        page = np.int64(own.pages[page, OLDER]) - 1
