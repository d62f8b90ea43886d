"""Ids of items that must not be shown, apart from the items' own rows: a hidden item that loses its row stays hidden.

A vocabulary whose rows are dense: an id that is shown again leaves no gap, the last row moves there. When all rows are
taken, the id that was hidden longest ago of the next SWEEP rows is forgotten.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels import vocabulary
from stream_rec.kernels.compile import kernel, kernel_inner


@kernel
def holds(hidden, data, start, end, id_hash):
    """Is the id data[start:end] hidden?"""
    return vocabulary.find(hidden, data, start, end, id_hash) >= 0


@kernel
def hide(hidden, data, start, end, id_hash, now):
    """Hide an id as of event time `now`. The arena has room for it."""
    row = vocabulary.find(hidden, data, start, end, id_hash)
    if row < 0:
        row = hidden.counters[0].n_rows
        if row == hidden.hashes.shape[0]:
            row = vocabulary.oldest_of_sweep(hidden)
        vocabulary.insert(hidden, data, start, end, id_hash, row)
    hidden.seen[row] = now


@kernel
def show(hidden, data, start, end, id_hash):
    """The id is hidden no more."""
    row = vocabulary.find(hidden, data, start, end, id_hash)
    if row >= 0:
        drop(hidden, row)


@kernel_inner
def drop(hidden, row):
    """The row is given up; the last row moves there."""
    vocabulary.unlink(hidden, row)
    last = hidden.counters[0].n_rows - 1
    if row != last:
        _move(hidden, last, row)
    hidden.starts[last] = 0
    hidden.lengths[last] = 0
    hidden.hashes[last] = np.uint64(0)
    hidden.seen[last] = 0.0
    hidden.counters[0].n_rows = last
    hidden.counters[0].hand = hidden.counters[0].hand % max(last, 1)


@kernel_inner
def _move(hidden, old, new):
    """What stands in row `old` stands in row `new` from now on."""
    mask = hidden.slots.shape[0] - 1
    at = np.int64(hidden.hashes[old] & np.uint64(mask))
    while hidden.slots[at] != old + 1:
        at = (at + 1) & mask
    hidden.slots[at] = new + 1
    hidden.starts[new] = hidden.starts[old]
    hidden.lengths[new] = hidden.lengths[old]
    hidden.hashes[new] = hidden.hashes[old]
    hidden.seen[new] = hidden.seen[old]
