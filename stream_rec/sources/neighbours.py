"""Session neighbours: recent sessions that share items with this one vote for what came after and before.

Per item a ring of its most recent sessions: user rows and the low 8 bits of the event's number in that user's history.
An entry needs no clean-up: one whose event has left the history, or whose row now belongs to somebody else, no longer
finds the item in its place. A session's similarity is the sum, over the shared items, of a weight that
falls with the item's age in the current session; the most similar sessions vote for the items around their match with
a weight that falls with the distance from it.

Update: an item's first event in a session is pushed on the item's ring; nothing else is kept, nothing is recomputed.
Source: VMIS-kNN, Kersbergen, Sprangers, Schelter, "Serenade", SIGMOD 2022, section 3; the decay by distance from the
match as in VSTAN, Ludewig, Mauro, Latifi, Jannach, "Empirical analysis of session-based recommendation algorithms",
UMUAI 31, 2021.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.candidates import candidate
from stream_rec.kernels.codes import CODE_MASK, ROW_MASK, SESSION_START
from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.kernels.memory import FLOATS_PER_LINE, prefetch
from stream_rec.kernels.ownership import PerItem
from stream_rec.sources.features import number_of

AFTER, BEFORE = number_of("after"), number_of("before")

MATCH_DECAY_STEPS = 5.0
PREFETCH_AHEAD = 12
"""Histories on their way from memory while one is read."""
ENTRY_BITS, USER_BITS = 12, 31
"""A slot of the table: which query wrote it, a user row, its accumulator; together 63 bits."""
MAX_ACCUMULATORS = 1 << ENTRY_BITS
"""Sessions looked at for one query, at most."""
_ENTRY_MASK = (1 << ENTRY_BITS) - 1
LAST_STAMP = (1 << (63 - ENTRY_BITS - USER_BITS)) - 1


class NeighbourRates(NamedTuple):
    """What stays the same while learning.

    Attributes:
        n_neighbours: sessions that vote.
        match_window: events before and after the match that get a vote.
    """

    n_neighbours: int
    match_window: int


RATES = NeighbourRates(n_neighbours=100, match_window=10)


class NeighbourState(NamedTuple):
    """State; R = ring length.

    Attributes:
        users: int32 [items, R].
        places: uint8 [items, R].
        pushed: int64 [items], entries so far; the newest stands at (pushed - 1) % R.
    """

    users: PerItem[np.int32]
    places: PerItem[np.uint8]
    pushed: PerItem[np.int64]


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
        stamp: int64 [1], of the current query.
        decay: float32 [match_window + 2], of a vote by its distance from the match.
    """

    table: NDArray[np.int64]
    users: NDArray[np.int32]
    similarity: NDArray[np.float32]
    item: NDArray[np.int32]
    place: NDArray[np.uint8]
    last: NDArray[np.int32]
    histogram: NDArray[np.int32]
    chosen: NDArray[np.int32]
    stamp: NDArray[np.int64]
    decay: NDArray[np.float32]


def empty(bounds: Bounds) -> NeighbourState:
    """Empty rings."""
    return NeighbourState(
        users=np.zeros((bounds.items, bounds.ring_length), np.int32),
        places=np.zeros((bounds.items, bounds.ring_length), np.uint8),
        pushed=np.zeros(bounds.items, np.int64),
    )


def scratch(bounds: Bounds) -> NeighbourScratch:
    """Working memory of one query."""
    m = MAX_ACCUMULATORS
    steps = np.arange(RATES.match_window + 2)
    return NeighbourScratch(
        table=np.zeros(2 * m, np.int64),
        users=np.zeros(m, np.int32),
        similarity=np.zeros(m, np.float32),
        item=np.zeros(m, np.int32),
        place=np.zeros(m, np.uint8),
        last=np.zeros(m, np.int32),
        histogram=np.zeros(256, np.int32),
        chosen=np.zeros(m, np.int32),
        stamp=np.zeros(1, np.int64),
        decay=np.exp(-steps / MATCH_DECAY_STEPS).astype(np.float32),
    )


@kernel
def push(own, row, user, number):
    """The user's event `number` is on the item."""
    at = own.pushed[row] % own.users.shape[1]
    own.users[row, at] = user
    own.places[row, at] = number & 255
    own.pushed[row] += 1


@kernel_inner
def clear(own, row):
    """Forget an item's ring."""
    own.pushed[row] = 0


@kernel_inner
def event_number(place, count):
    """The newest event number below `count` whose low 8 bits are `place`."""
    return count - 1 - ((count - 1 - place) & 255)


@kernel_inner
def _next_stamp(scratch):
    """Begin a query: slots of earlier ones are empty. The table is wiped before stamps come round again."""
    if scratch.stamp[0] == LAST_STAMP:
        scratch.stamp[0] = 0
        scratch.table[:] = 0
    scratch.stamp[0] += 1
    return scratch.stamp[0]


@kernel
def accumulate(own, scratch, self_user, codes, n_codes, row_mask, decay, n_sample):
    """Similar users: for each session item (newest first) its ring's newest n_sample entries get decay[k] each.

    Returns:
        How many accumulators in scratch are filled; in order of first match, so the most recent match comes first.
    """
    stamp = _next_stamp(scratch)
    mask = scratch.table.shape[0] - 1
    length = own.users.shape[1]
    n = 0
    for k in range(n_codes):
        row = codes[k] & row_mask
        at = own.pushed[row] % length
        for _ in range(min(own.pushed[row], length, n_sample)):
            at = (at if at > 0 else length) - 1
            user = own.users[row, at]
            if user == self_user:
                continue
            wanted = stamp << USER_BITS | user
            slot = (user * np.int64(2654435761)) & mask
            held = scratch.table[slot] >> ENTRY_BITS
            while held != wanted and held >> USER_BITS == stamp:
                slot = (slot + 1) & mask
                held = scratch.table[slot] >> ENTRY_BITS
            if held != wanted:
                if n == scratch.users.shape[0]:
                    continue
                scratch.table[slot] = wanted << ENTRY_BITS | n
                scratch.users[n] = user
                scratch.similarity[n] = decay[k]
                scratch.item[n] = k
                scratch.place[n] = own.places[row, at]
                scratch.last[n] = k
                n += 1
            else:
                e = scratch.table[slot] & _ENTRY_MASK
                if scratch.last[e] != k:
                    scratch.last[e] = k
                    scratch.similarity[e] += decay[k]
    return n


@kernel
def choose(scratch, n, n_neighbours):
    """The most similar accumulators, ties by recency of the match; fills scratch.chosen, returns how many."""
    if n <= n_neighbours:
        for e in range(n):
            scratch.chosen[e] = e
        return n
    top = np.float32(0.0)
    for e in range(n):
        top = max(top, scratch.similarity[e])
    scratch.histogram[:] = 0
    scale = np.float32(255.0) / top
    for e in range(n):
        scratch.histogram[int(scratch.similarity[e] * scale)] += 1
    cut = 255
    above = 0
    while above + scratch.histogram[cut] < n_neighbours:
        above += scratch.histogram[cut]
        cut -= 1
    room = n_neighbours - above
    m = 0
    for e in range(n):
        b = int(scratch.similarity[e] * scale)
        if b > cut:
            scratch.chosen[m] = e
            m += 1
        elif b == cut and room > 0:
            room -= 1
            scratch.chosen[m] = e
            m += 1
    return m


@kernel
def matched_event(histories, user, place, code):
    """Number of the user's event that an entry points to, or -1 if it is gone or no longer that item's."""
    count = np.int64(histories.n_events[user])
    length = histories.items.shape[1]
    number = event_number(np.int64(place), count)
    if number < 0 or count - number > length:
        return -1
    if histories.items[user, number & (length - 1)] & CODE_MASK != code:
        return -1
    return number


@kernel_inner
def fetch(histories, user, place):
    """Begin to read what an entry points to."""
    length = histories.items.shape[1]
    prefetch(histories.n_events, user)
    prefetch(histories.items, user * length + (np.int64(place) & (length - 1)))
    prefetch(histories.items, user * length + ((np.int64(place) + FLOATS_PER_LINE // 2) & (length - 1)))


@kernel
def session_end(histories, user, number, reach):
    """One past the last event of the session of event `number`, at most `reach` events on."""
    mask = histories.items.shape[1] - 1
    end = min(np.int64(histories.n_events[user]), number + 1 + reach)
    for q in range(number + 1, end):
        if histories.items[user, q & mask] & SESSION_START:
            return q
    return end


@kernel
def session_begin(histories, user, number, reach):
    """The first event of the session of event `number`, at most `reach` events back."""
    mask = histories.items.shape[1] - 1
    begin = max(np.int64(0), np.int64(histories.n_events[user]) - histories.items.shape[1], number - reach)
    q = number
    while q > begin and not histories.items[user, q & mask] & SESSION_START:
        q -= 1
    return q


@kernel_inner
def learn(state, query, rates, event):
    """An item's first event in a session goes on the item's ring."""
    if event.is_new:
        push(state.neighbours, event.item, event.user, np.int64(state.histories.n_events[event.user]))


@kernel_inner
def evict_item(state, row):
    """Another item gets the row."""
    clear(state.neighbours, row)


@kernel_inner
def _vote(state, query, user, at, because, weight, reach):
    """The items around event `at` of a user get a vote each."""
    histories, decay = state.histories, query.neighbours.decay
    mask = histories.items.shape[1] - 1
    for number in range(at + 1, session_end(histories, user, at, reach)):
        c = candidate(state, query, histories.items[user, number & mask] & CODE_MASK, because, 1)
        if c >= 0:
            query.features[AFTER, c] += weight * decay[number - at]
    for number in range(session_begin(histories, user, at, reach), at):
        c = candidate(state, query, histories.items[user, number & mask] & CODE_MASK, because, 1)
        if c >= 0:
            query.features[BEFORE, c] += weight * decay[at - number]


@kernel
def propose(state, query, rates):
    """Sessions like this one vote for the items after and before the match."""
    found, rings = query.neighbours, state.neighbours
    n = accumulate(
        rings,
        found,
        query.user[0],
        query.session_codes,
        query.n_session[0],
        ROW_MASK,
        query.session_decay,
        rings.users.shape[1],
    )
    n = choose(found, n, rates.neighbours.n_neighbours)
    for i in range(n + PREFETCH_AHEAD):
        if i < n:
            fetch(state.histories, found.users[found.chosen[i]], found.place[found.chosen[i]])
        if i < PREFETCH_AHEAD:
            continue
        e = found.chosen[i - PREFETCH_AHEAD]
        because = query.session_codes[found.item[e]]
        at = matched_event(state.histories, found.users[e], found.place[e], because)
        if at >= 0:
            _vote(
                state, query, found.users[e], at, because, found.similarity[e], rates.neighbours.match_window
            )
