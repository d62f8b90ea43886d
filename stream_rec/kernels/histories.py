"""Per-user rings of the last events, and where the current session begins.

`items` int32 [users, length] holds item codes; a user's event with number i (counted from 0, for ever) stands in slot
i & (length - 1) while it is among the last `length`. SESSION_START marks the first event of a session.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.codes import CODE_MASK, NO_CODE, SESSION_START
from stream_rec.kernels.compile import kernel


class HistoryState(NamedTuple):
    """State of all users' histories.

    Attributes:
        items: int32 [users, length], length a power of two.
        n_events: uint32 [users], events so far.
        session_start: uint32 [users], number of the first event of the current session.
        session: uint64 [users], hash of the producer's session id; 0 = it gave none.
    """

    items: NDArray[np.int32]
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
def append(histories, user, code, new_session, session):
    """Add an event."""
    at = np.int64(histories.n_events[user])
    mark = 0
    if new_session:
        histories.session_start[user] = at
        histories.session[user] = session
        mark = SESSION_START
    elif histories.session[user] == np.uint64(0):
        histories.session[user] = session
    histories.items[user, at & (histories.items.shape[1] - 1)] = code | mark
    histories.n_events[user] = at + 1


@kernel
def leaves_next(histories, user):
    """The code that the next event of a user pushes out of the ring; NO_CODE = the ring has room."""
    at, length = np.int64(histories.n_events[user]), histories.items.shape[1]
    return histories.items[user, at & (length - 1)] & CODE_MASK if at >= length else np.int32(NO_CODE)


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
    mask = histories.items.shape[1] - 1
    newest = np.int64(histories.n_events[user]) - 1
    first = max(np.int64(histories.session_start[user]), newest - mask)
    n = 0
    for number in range(newest, first - 1, -1):
        code = histories.items[user, number & mask] & CODE_MASK
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


@kernel
def times_had(histories, user, code):
    """How often an item stands in the whole ring of a user."""
    length = histories.items.shape[1]
    n = 0
    for i in range(min(np.int64(histories.n_events[user]), length)):
        n += (histories.items[user, i] & CODE_MASK) == code
    return n


@kernel
def past_items(histories, user, codes, steps):
    """The distinct items of the whole ring, newest first; as session_items, without counts."""
    mask = histories.items.shape[1] - 1
    newest = np.int64(histories.n_events[user]) - 1
    n = 0
    for number in range(newest, max(np.int64(0), newest - mask) - 1, -1):
        code = histories.items[user, number & mask] & CODE_MASK
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
