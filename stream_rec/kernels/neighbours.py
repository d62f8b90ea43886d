"""Session neighbours: per item a ring of the most recent sessions that hold it.

An entry is a user row and the low 8 bits of the event's number in that user's history. It needs no clean-up: an entry
whose event has left the history, or whose row now belongs to somebody else, no longer finds the item in its place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.codes import CODE_MASK, SESSION_START
from stream_rec.kernels.compile import kernel
from stream_rec.kernels.memory import FLOATS_PER_LINE, prefetch


class NeighbourState(NamedTuple):
    """State; R = ring length.

    Attributes:
        users: int32 [items, R].
        places: uint8 [items, R].
        pushed: int64 [items], entries so far; the newest stands at (pushed - 1) % R.
    """

    users: NDArray[np.int32]
    places: NDArray[np.uint8]
    pushed: NDArray[np.int64]


class NeighbourScratch(NamedTuple):
    """Working memory of one query; nothing in it outlives the query.

    Attributes:
        table: int64 [T], from user row to accumulator; T a power of two, see `accumulate`.
        users: int32 [M], accumulators: the user,
        similarity: float32 [M],
        item: int32 [M], the newest session item (its index) that matched,
        place: uint8 [M], and where in the user's history it stands,
        last: int32 [M], index of the last session item that was added (a user counts once per item).
        histogram: int32 [256].
        chosen: int32 [M].
        query: int64 [1], stamp of the current query.
    """

    table: NDArray[np.int64]
    users: NDArray[np.int32]
    similarity: NDArray[np.float32]
    item: NDArray[np.int32]
    place: NDArray[np.uint8]
    last: NDArray[np.int32]
    histogram: NDArray[np.int32]
    chosen: NDArray[np.int32]
    query: NDArray[np.int64]


@kernel
def push(s, row, user, number):
    """The user's event `number` is on the item."""
    at = s.pushed[row] % s.users.shape[1]
    s.users[row, at] = user
    s.places[row, at] = number & 255
    s.pushed[row] += 1


@kernel
def clear(s, row):
    """Forget an item's ring."""
    s.pushed[row] = 0


@kernel
def event_number(place, count):
    """The newest event number below `count` whose low 8 bits are `place`."""
    return count - 1 - ((count - 1 - place) & 255)


ENTRY_BITS, USER_BITS = 12, 31
"""A slot of the table: which query wrote it, a user row, its accumulator; together 63 bits."""
_ENTRY_MASK = (1 << ENTRY_BITS) - 1
_LAST_STAMP = (1 << (63 - ENTRY_BITS - USER_BITS)) - 1


@kernel
def _next_stamp(x):
    """Begin a query: slots of earlier ones are empty. The table is wiped before stamps come round again."""
    if x.query[0] == _LAST_STAMP:
        x.query[0] = 0
        x.table[:] = 0
    x.query[0] += 1
    return x.query[0]


@kernel
def accumulate(s, x, self_user, codes, n_codes, row_mask, decay, n_sample):
    """Similar users: for each session item (newest first) its ring's newest n_sample entries get decay[k] each.

    Returns:
        How many accumulators in x are filled; in order of first match, so the most recent match comes first.
    """
    stamp = _next_stamp(x)
    mask = x.table.shape[0] - 1
    length = s.users.shape[1]
    n = 0
    for k in range(n_codes):
        row = codes[k] & row_mask
        at = s.pushed[row] % length
        for _ in range(min(s.pushed[row], length, n_sample)):
            at = (at if at > 0 else length) - 1
            user = s.users[row, at]
            if user == self_user:
                continue
            wanted = stamp << USER_BITS | user
            slot = (user * np.int64(2654435761)) & mask
            held = x.table[slot] >> ENTRY_BITS
            while held != wanted and held >> USER_BITS == stamp:
                slot = (slot + 1) & mask
                held = x.table[slot] >> ENTRY_BITS
            if held != wanted:
                if n == x.users.shape[0]:
                    continue
                x.table[slot] = wanted << ENTRY_BITS | n
                x.users[n] = user
                x.similarity[n] = decay[k]
                x.item[n] = k
                x.place[n] = s.places[row, at]
                x.last[n] = k
                n += 1
            else:
                e = x.table[slot] & _ENTRY_MASK
                if x.last[e] != k:
                    x.last[e] = k
                    x.similarity[e] += decay[k]
    return n


@kernel
def choose(x, n, n_neighbours):
    """The most similar accumulators, ties by recency of the match; fills x.chosen, returns how many."""
    if n <= n_neighbours:
        for e in range(n):
            x.chosen[e] = e
        return n
    top = np.float32(0.0)
    for e in range(n):
        top = max(top, x.similarity[e])
    x.histogram[:] = 0
    scale = np.float32(255.0) / top
    for e in range(n):
        x.histogram[int(x.similarity[e] * scale)] += 1
    cut = 255
    above = 0
    while above + x.histogram[cut] < n_neighbours:
        above += x.histogram[cut]
        cut -= 1
    room = n_neighbours - above
    m = 0
    for e in range(n):
        b = int(x.similarity[e] * scale)
        if b > cut:
            x.chosen[m] = e
            m += 1
        elif b == cut and room > 0:
            room -= 1
            x.chosen[m] = e
            m += 1
    return m


@kernel
def matched_event(h, user, place, code):
    """Number of the user's event that an entry points to, or -1 if it is gone or no longer that item's."""
    count = np.int64(h.n_events[user])
    length = h.items.shape[1]
    number = event_number(np.int64(place), count)
    if number < 0 or count - number > length:
        return -1
    if h.items[user, number & (length - 1)] & CODE_MASK != code:
        return -1
    return number


@kernel
def fetch(h, user, place):
    """Begin to read what an entry points to."""
    length = h.items.shape[1]
    prefetch(h.n_events, user)
    prefetch(h.items, user * length + (np.int64(place) & (length - 1)))
    prefetch(h.items, user * length + ((np.int64(place) + FLOATS_PER_LINE // 2) & (length - 1)))


@kernel
def session_end(h, user, number, reach):
    """One past the last event of the session of event `number`, at most `reach` events on."""
    mask = h.items.shape[1] - 1
    end = min(np.int64(h.n_events[user]), number + 1 + reach)
    for q in range(number + 1, end):
        if h.items[user, q & mask] & SESSION_START:
            return q
    return end


@kernel
def session_begin(h, user, number, reach):
    """The first event of the session of event `number`, at most `reach` events back."""
    mask = h.items.shape[1] - 1
    begin = max(np.int64(0), np.int64(h.n_events[user]) - h.items.shape[1], number - reach)
    q = number
    while q > begin and not h.items[user, q & mask] & SESSION_START:
        q -= 1
    return q
