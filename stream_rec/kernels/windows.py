"""Items that may be shown only for a time, by id, apart from the items' rows: what was decided outlives an eviction.

A vocabulary whose rows are dense (kernels.hidden), and beside it a heap of the times at which something changes: the
root is the next. An item outside of its window is hidden like any other. When all rows are taken, of the next SWEEP
rows the one whose window ends first is forgotten.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import hidden, vocabulary
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.compile import kernel_inner
from stream_rec.kernels.ownership import Owner


class WindowState(NamedTuple):
    """Windows, by row of the vocabulary of ids that have one.

    Attributes:
        opens: float64 [windows], the first second in which the item may be shown; -inf = since ever.
        closes: float64 [windows], the first in which it may not any more; inf = never.
        may: bool [windows], may it be shown inside of its window.
        due: float64 [windows], when the next of the two comes; inf = none comes.
        heap: int32 [windows], rows, none due earlier than the one at half its place.
        place: int32 [windows], of a row in the heap.
    """

    opens: Annotated[NDArray[np.float64], Owner.WINDOW_ROW]
    closes: Annotated[NDArray[np.float64], Owner.WINDOW_ROW]
    may: Annotated[NDArray[np.bool_], Owner.WINDOW_ROW]
    due: Annotated[NDArray[np.float64], Owner.WINDOW_ROW]
    heap: Annotated[NDArray[np.int32], Owner.WINDOW_ROW]
    place: Annotated[NDArray[np.int32], Owner.WINDOW_ROW]


def empty(bounds: Bounds) -> WindowState:
    """No item has a window."""
    n = bounds.windows
    return WindowState(
        opens=np.zeros(n, np.float64),
        closes=np.zeros(n, np.float64),
        may=np.zeros(n, np.bool_),
        due=np.zeros(n, np.float64),
        heap=np.zeros(n, np.int32),
        place=np.zeros(n, np.int32),
    )


@kernel_inner
def is_open(own, row, now):
    """May the item be shown at event time `now`?"""
    return own.may[row] and own.opens[row] <= now and now < own.closes[row]


@kernel_inner
def enter(ids, own, data, id_hash, opens, closes, may, now):
    """An id has this window from now on; its row. The arena has room for it."""
    n = data.shape[0]
    row = vocabulary.find(ids, data, 0, n, id_hash)
    if row < 0:
        row = ids.counters[0].n_rows
        if row == ids.hashes.shape[0]:
            row = vocabulary.oldest_of_sweep(ids)
        else:
            own.heap[row] = row
            own.place[row] = row
        vocabulary.insert(ids, data, 0, n, id_hash, row)
    ids.seen[row] = closes
    own.opens[row] = opens
    own.closes[row] = closes
    own.may[row] = may
    set_due(ids, own, row, now)
    return row


@kernel_inner
def forget(ids, own, data, id_hash):
    """The id has no window."""
    row = vocabulary.find(ids, data, 0, data.shape[0], id_hash)
    if row < 0:
        return
    last = ids.counters[0].n_rows - 1
    at = np.int64(own.place[row])
    _swap(own, at, last)  # the row is the heap's last now, and out of it
    hidden.drop(ids, row)
    if at < last:
        _settle(own, at, last)
    if row != last:
        own.opens[row] = own.opens[last]
        own.closes[row] = own.closes[last]
        own.may[row] = own.may[last]
        own.due[row] = own.due[last]
        own.place[row] = own.place[last]
        own.heap[own.place[last]] = row
    own.opens[last] = 0.0
    own.closes[last] = 0.0
    own.may[last] = False
    own.due[last] = 0.0
    own.heap[last] = 0
    own.place[last] = 0


@kernel_inner
def next_due(ids, own, now):
    """A row whose window opens or closes now, or has; -1 = there is none."""
    if ids.counters[0].n_rows == 0 or own.due[own.heap[0]] > now:
        return -1
    return np.int64(own.heap[0])


@kernel_inner
def set_due(ids, own, row, now):
    """When the row's window changes next, as seen from `now`."""
    if now < own.opens[row]:
        own.due[row] = own.opens[row]
    elif now < own.closes[row]:
        own.due[row] = own.closes[row]
    else:
        own.due[row] = np.inf
    _settle(own, np.int64(own.place[row]), ids.counters[0].n_rows)


@kernel_inner
def _swap(own, a, b):
    own.heap[a], own.heap[b] = own.heap[b], own.heap[a]
    own.place[own.heap[a]] = a
    own.place[own.heap[b]] = b


@kernel_inner
def _settle(own, at, n):
    """Move what stands at a place of the heap of n up or down to where it belongs."""
    while at > 0 and own.due[own.heap[at]] < own.due[own.heap[(at - 1) // 2]]:
        _swap(own, at, (at - 1) // 2)
        at = (at - 1) // 2
    while True:
        first = at
        for child in range(2 * at + 1, min(2 * at + 3, n)):
            if own.due[own.heap[child]] < own.due[own.heap[first]]:
                first = child
        if first == at:
            return
        _swap(own, at, first)
        at = first
