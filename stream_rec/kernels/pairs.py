"""Bounded tables of what users have said of items: (user, what, kind), found by the user, forgotten oldest first.

Users and items stand there by the hashes of their ids, not by their rows: what was said outlives the eviction of
either. Entries of one user are a chain from `heads`; rows are dense, so the last one moves where another was dropped.
When all rows are taken, the oldest of the next SWEEP rows goes; when one user has too many, the oldest of that user.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.kernels.records import record

SWEEP = 32
"""Rows examined to find one to forget."""
DISLIKED, NEVER_ITEM, NEVER_TAG, NEVER_OWNER = 1, 2, 3, 4
ITEM_OF_TAG, ITEM_OF_OWNER = 5, 6
"""Kinds of what is blocked; a user's dislikes are forgotten before the others. An item that was hidden with its tag or
its owner is of a kind of its own: who takes that back does not take back what was said of the item alone."""
OF_ITEM = (NEVER_ITEM, ITEM_OF_TAG, ITEM_OF_OWNER)
COUNTERS = record([(name, np.int64) for name in ("n_rows", "hand", "next_number", "evicted")])
"""Rows taken, row at which the next sweep begins, number of the next entry, entries forgotten for others."""


class PairState(NamedTuple):
    """B entries at most.

    Attributes:
        heads: int32 [a power of two >= 2 B], row + 1 of the first entry of each chain; 0 = empty.
        later: int32 [B], row + 1 of the next entry of the chain.
        users: uint64 [B], hashes.
        whats: uint64 [B], hashes of items, tags or owners.
        kinds: uint64 [B].
        numbers: int64 [B], in the order in which they came.
        ts: float64 [B], event time.
        places: int64 [B], number of the event in its user's history.
        weights: float64 [B], what it added to the item's popularity;
        reaches: float64 [B], and what to its reach.
        counters: COUNTERS [1].
    """

    heads: NDArray[np.int32]
    later: NDArray[np.int32]
    users: NDArray[np.uint64]
    whats: NDArray[np.uint64]
    kinds: NDArray[np.uint64]
    numbers: NDArray[np.int64]
    ts: NDArray[np.float64]
    places: NDArray[np.int64]
    weights: NDArray[np.float64]
    reaches: NDArray[np.float64]
    counters: NDArray[np.void]


def empty(rows: int) -> PairState:
    """Nothing said yet."""
    return PairState(
        heads=np.zeros(n_heads(rows), np.int32),
        later=np.zeros(rows, np.int32),
        users=np.zeros(rows, np.uint64),
        whats=np.zeros(rows, np.uint64),
        kinds=np.zeros(rows, np.uint64),
        numbers=np.zeros(rows, np.int64),
        ts=np.zeros(rows, np.float64),
        places=np.zeros(rows, np.int64),
        weights=np.zeros(rows, np.float64),
        reaches=np.zeros(rows, np.float64),
        counters=np.zeros(1, COUNTERS),
    )


def n_heads(rows: int) -> int:
    """Chains of a table of so many rows."""
    return 1 << (2 * rows - 1).bit_length()


@kernel_inner
def head_of(table, user):
    """Which chain a user's entries are in."""
    return np.int64(user & np.uint64(table.heads.shape[0] - 1))


@kernel_inner
def find(table, user, what, kind):
    """Row of the latest such entry, or -1."""
    best = np.int64(-1)
    row = np.int64(table.heads[head_of(table, user)]) - 1
    while row >= 0:
        same = table.users[row] == user and table.whats[row] == what and table.kinds[row] == kind
        if same and (best < 0 or table.numbers[row] > table.numbers[best]):
            best = row
        row = np.int64(table.later[row]) - 1
    return best


@kernel_inner
def _link(table, row):
    at = head_of(table, table.users[row])
    table.later[row] = table.heads[at]
    table.heads[at] = row + 1


@kernel_inner
def _unlink(table, row):
    at = head_of(table, table.users[row])
    if table.heads[at] == row + 1:
        table.heads[at] = table.later[row]
        return
    before = np.int64(table.heads[at]) - 1
    while table.later[before] != row + 1:
        before = np.int64(table.later[before]) - 1
    table.later[before] = table.later[row]


@kernel_inner
def _oldest_of(table, user, limit):
    """The user's entry that goes first if the user has `limit` of them, dislikes before the others; else -1."""
    n, oldest = 0, np.int64(-1)
    row = np.int64(table.heads[head_of(table, user)]) - 1
    while row >= 0:
        if table.users[row] == user:
            n += 1
            if oldest < 0:
                oldest = row
            else:
                lighter = table.kinds[row] == np.uint64(DISLIKED)
                others = table.kinds[oldest] == np.uint64(DISLIKED)
                older = table.numbers[row] < table.numbers[oldest]
                if (lighter and not others) or (lighter == others and older):
                    oldest = row
        row = np.int64(table.later[row]) - 1
    return oldest if n >= limit else np.int64(-1)


@kernel_inner
def _oldest_of_sweep(table):
    counters = table.counters[0]
    n_rows, hand = counters.n_rows, counters.hand
    oldest = hand % n_rows
    for i in range(min(SWEEP, n_rows)):
        row = (hand + i) % n_rows
        if table.numbers[row] < table.numbers[oldest]:
            oldest = row
    counters.hand = (hand + SWEEP) % n_rows
    return oldest


@kernel_inner
def put(table, user, what, kind, limit):
    """Enter what a user said; the row, whose other fields are the caller's to fill.

    Args:
        table: changed in place.
        user: uint64, hash.
        what: uint64, hash.
        kind: uint64.
        limit: entries of one user, at most.
    """
    counters = table.counters[0]
    row = _oldest_of(table, user, limit)
    if row < 0 and counters.n_rows == table.users.shape[0]:
        row = _oldest_of_sweep(table)
    if row < 0:
        row = counters.n_rows
        counters.n_rows = row + 1
    else:
        _unlink(table, row)
        counters.evicted += 1
    table.users[row] = user
    table.whats[row] = what
    table.kinds[row] = kind
    table.numbers[row] = counters.next_number
    counters.next_number += 1
    table.ts[row] = 0.0
    table.places[row] = 0
    table.weights[row] = 0.0
    table.reaches[row] = 0.0
    _link(table, row)
    return row


@kernel_inner
def drop(table, row):
    """Forget an entry; the last row moves into the gap."""
    counters = table.counters[0]
    last = counters.n_rows - 1
    _unlink(table, row)
    if row != last:
        _unlink(table, last)
        table.users[row] = table.users[last]
        table.whats[row] = table.whats[last]
        table.kinds[row] = table.kinds[last]
        table.numbers[row] = table.numbers[last]
        table.ts[row] = table.ts[last]
        table.places[row] = table.places[last]
        table.weights[row] = table.weights[last]
        table.reaches[row] = table.reaches[last]
        _link(table, row)
    table.later[last] = 0
    table.users[last] = np.uint64(0)
    table.whats[last] = np.uint64(0)
    table.kinds[last] = np.uint64(0)
    table.numbers[last] = 0
    table.ts[last] = 0.0
    table.places[last] = 0
    table.weights[last] = 0.0
    table.reaches[last] = 0.0
    counters.n_rows = last
    counters.hand = counters.hand % max(last, 1)


@kernel
def forget_user(table, user):
    """Forget all that a user (a hash) said."""
    row = _last_row_of(table, user)
    while row >= 0:
        drop(table, row)
        row = _last_row_of(table, user)


@kernel
def join_users(table, giver, taker, limit):
    """What one user (a hash) said, another has said, who keeps `limit` entries at most."""
    row = _last_row_of(table, giver)
    while row >= 0:
        _unlink(table, row)
        table.users[row] = taker
        _link(table, row)
        row = _last_row_of(table, giver)
    row = _oldest_of(table, taker, limit + 1)
    while row >= 0:
        drop(table, row)
        table.counters[0].evicted += 1
        row = _oldest_of(table, taker, limit + 1)


@kernel_inner
def move_places(table, user, by):
    """The events of a user (a hash) have other numbers in the history now."""
    row = np.int64(table.heads[head_of(table, user)]) - 1
    while row >= 0:
        if table.users[row] == user:
            table.places[row] += by
        row = np.int64(table.later[row]) - 1


@kernel_inner
def _last_row_of(table, user):
    """The highest row that the user has, so that what is left does not hang on the order of the chain; -1 = none."""
    last = np.int64(-1)
    row = np.int64(table.heads[head_of(table, user)]) - 1
    while row >= 0:
        if table.users[row] == user:
            last = max(last, row)
        row = np.int64(table.later[row]) - 1
    return last


def fitted(bound: int, given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The entries of a table of any bound as those of one of this bound, by field; the newest if not all have room."""
    counters = np.zeros(1, COUNTERS)
    fields = {
        name: array
        for name, array in empty(1)._asdict().items()
        if name not in ("heads", "later", "counters")
    }
    if not given:
        kept = {name: array[:0] for name, array in fields.items()}
    else:
        counters = given["counters"].view(COUNTERS).copy()
        newest = np.sort(np.argsort(given["numbers"], kind="stable")[-bound:])
        kept = {name: given[name][newest] for name in fields}
        if len(newest) < len(given["numbers"]):
            counters["hand"] = 0
    counters["n_rows"] = len(kept["users"])
    heads, later = _chained(kept["users"], n_heads(bound))
    return kept | {"heads": heads, "later": later, "counters": counters.view(np.int64)}


def _chained(users: NDArray[np.uint64], n: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    heads, later = np.zeros(n, np.int32), np.zeros(len(users), np.int32)
    for row, at in enumerate((users & np.uint64(n - 1)).tolist()):
        later[row], heads[at] = heads[at], row + 1
    return heads, later
