"""Per-user rings of the last events, and where the current session begins.

`items` int32 [users, length] holds item codes; a user's event with number i (counted from 0, for ever) stands in slot
i & (length - 1) while it is among the last `length`. SESSION_START marks the first event of a session. An event that
was taken back, or whose item the user has come to dislike, leaves NO_CODE: it is there, but of no item. `types` says of
what type each event was, by the numbers that `schemas.event_types` gives them; `pauses` how long after the user's
event before it each came, in a byte: k stands for exp(k * PAUSE_STEP) - 1 seconds, so sums of them are exact to 4 %.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.codes import CODE_MASK, NO_CODE, ROW_MASK, SESSION_START, is_current
from stream_rec.kernels.compile import kernel, kernel_inner

WEIGHTLESS = 0x80
"""Added to the number of an event's type: its user has had the item, but it is no interest that anything goes by."""
_NUMBER = 0x0F
LONGEST_PAUSE, PAUSE_STEP = 255, math.log1p(20 * 365.25 * 86_400.0) / 255
"""The greatest number of a pause, which stands for 20 years; and by how much one number differs from the next."""


class HistoryState(NamedTuple):
    """State of all users' histories.

    Attributes:
        items: int32 [users, length], length a power of two.
        types: uint8 [users, length], number of each event's type, and WEIGHTLESS.
        pauses: uint8 [users, length], number of the pause before each event; 0 = none, or it came late.
        n_events: uint32 [users], events so far.
        session_start: uint32 [users], number of the first event of the current session.
        session: uint64 [users], hash of the producer's session id; 0 = it gave none.
    """

    items: NDArray[np.int32]
    types: NDArray[np.uint8]
    pauses: NDArray[np.uint8]
    n_events: NDArray[np.uint32]
    session_start: NDArray[np.uint32]
    session: NDArray[np.uint64]


@kernel
def starts_session(histories, user, seen, ts, session, gap):
    """Would an event at `ts` begin a new session?

    By the producer's ids where the event and the session have one each. Otherwise by the gap: an event without an id
    (a purchase that a server reports) joins the user's open session, and a session without one takes the first id
    that comes.
    """
    if histories.n_events[user] == 0:
        return True
    if session == np.uint64(0) or histories.session[user] == np.uint64(0):
        return ts - seen > gap
    return session != histories.session[user]


@kernel
def pause_number(seconds):
    """What `pauses` holds of a pause; below 0 counts as 0."""
    return np.uint8(min(math.log1p(max(seconds, 0.0)) / PAUSE_STEP + 0.5, np.float64(LONGEST_PAUSE)))


@kernel
def append(histories, user, code, new_session, session, kind, pause):
    """Add an event; `kind` is what `types` holds of it, `pause` the seconds since the user's last one."""
    at = np.int64(histories.n_events[user])
    mark = 0
    if new_session:
        histories.session_start[user] = at
        histories.session[user] = session
        mark = SESSION_START
    elif histories.session[user] == np.uint64(0):
        histories.session[user] = session
    slot = at & (histories.items.shape[1] - 1)
    histories.items[user, slot] = code | mark
    histories.types[user, slot] = kind
    histories.pauses[user, slot] = pause_number(pause)
    histories.n_events[user] = at + 1


@kernel_inner
def leaves_next(histories, user):
    """The code that the next event of a user pushes out of the ring; NO_CODE = the ring has room."""
    at, length = np.int64(histories.n_events[user]), histories.items.shape[1]
    return histories.items[user, at & (length - 1)] & CODE_MASK if at >= length else np.int32(NO_CODE)


@kernel_inner
def type_that_leaves(histories, user):
    """As a set: bit b = its type has number b. Of the event that `leaves_next` tells of."""
    at, length = np.int64(histories.n_events[user]), histories.items.shape[1]
    return type_bit(histories.types[user, at & (length - 1)])


@kernel_inner
def type_bit(kind):
    """The set of the one type that `HistoryState.types` holds as `kind`."""
    return np.uint16(1) << np.uint16(kind & _NUMBER)


@kernel_inner
def mark_had(histories, generation, user, types, marks, value):
    """Marks bool [items] of all that the ring holds by events of some types (a bit set), and that is there still."""
    length = histories.items.shape[1]
    for slot in range(min(np.int64(histories.n_events[user]), length)):
        code = histories.items[user, slot] & CODE_MASK
        counts = type_bit(histories.types[user, slot]) & np.uint16(types) != 0
        if counts and code != NO_CODE and is_current(code, generation):
            marks[code & ROW_MASK] = value


@kernel
def clear(histories, user):
    """Forget a user. Codes need no wiping: nothing before `n_events` is read."""
    histories.n_events[user] = 0
    histories.session_start[user] = 0
    histories.session[user] = 0


@kernel
def session_items(histories, user, codes, steps, counts):
    """The distinct items of the current session, newest first.

    Args:
        histories: read only.
        user: row.
        codes: int32 [m], filled.
        steps: int32 [m], how many events ago each was last seen in the session (0 = the last event).
        counts: int32 [m], how often.

    Returns:
        How many were filled, at most m; older ones are left out.
    """
    newest = np.int64(histories.n_events[user]) - 1
    first = max(np.int64(histories.session_start[user]), newest - (histories.items.shape[1] - 1))
    return _distinct_items(histories, user, newest, first, codes, steps, counts)


@kernel_inner
def session_before(histories, user, number, codes, steps, counts):
    """As `session_items`, of the session that event `number` is in and as it was before that event came."""
    mask = histories.items.shape[1] - 1
    oldest = max(np.int64(0), np.int64(histories.n_events[user]) - histories.items.shape[1])
    first = number
    while first > oldest and not histories.items[user, first & mask] & SESSION_START:
        first -= 1
    return _distinct_items(histories, user, number - 1, first, codes, steps, counts)


@kernel_inner
def _distinct_items(histories, user, newest, first, codes, steps, counts):
    """The distinct items of events first .. newest, newest first; as `session_items`."""
    mask = histories.items.shape[1] - 1
    n = 0
    for number in range(newest, first - 1, -1):
        code = histories.items[user, number & mask] & CODE_MASK
        if code == NO_CODE or histories.types[user, number & mask] & WEIGHTLESS != 0:
            continue
        known = False
        for i in range(n):
            if codes[i] == code:
                counts[i] += 1
                known = True
                break
        if known:
            continue
        if n == codes.shape[0]:
            break
        codes[n] = code
        steps[n] = newest - number
        counts[n] = 1
        n += 1
    return n


@kernel_inner
def take_out(histories, user, number, code):
    """Event `number` is of no item from now on, if it is still there and of this one. Was it?"""
    count, length = np.int64(histories.n_events[user]), histories.items.shape[1]
    if number < 0 or number >= count or count - number > length:
        return False
    slot = number & (length - 1)
    if histories.items[user, slot] & CODE_MASK != code:
        return False
    histories.items[user, slot] &= SESSION_START
    return True


@kernel_inner
def take_out_all(histories, user, code):
    """All events of an item are of no item from now on."""
    count = np.int64(histories.n_events[user])
    for number in range(max(np.int64(0), count - histories.items.shape[1]), count):
        take_out(histories, user, number, code)


@kernel_inner
def times_had(histories, user, code):
    """How often an item stands in the whole ring of a user, as interest."""
    length = histories.items.shape[1]
    n = 0
    for i in range(min(np.int64(histories.n_events[user]), length)):
        same = (histories.items[user, i] & CODE_MASK) == code
        n += same and histories.types[user, i] & WEIGHTLESS == 0
    return n


@kernel
def past_items(histories, user, codes, steps):
    """The distinct items of the whole ring, newest first; as session_items, without counts."""
    mask = histories.items.shape[1] - 1
    newest = np.int64(histories.n_events[user]) - 1
    n = 0
    for number in range(newest, max(np.int64(0), newest - mask) - 1, -1):
        code = histories.items[user, number & mask] & CODE_MASK
        if code == NO_CODE or histories.types[user, number & mask] & WEIGHTLESS != 0:
            continue
        known = False
        for i in range(n):
            if codes[i] == code:
                known = True
                break
        if known:
            continue
        if n == codes.shape[0]:
            break
        codes[n] = code
        steps[n] = newest - number
        n += 1
    return n
