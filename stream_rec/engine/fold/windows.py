"""An item's window opens or closes."""

from __future__ import annotations

import numpy as np

from stream_rec.engine.fold import learn
from stream_rec.kernels import hidden, vocabulary, windows
from stream_rec.kernels.compile import kernel
from stream_rec.sources import popularity


@kernel
def due(state):
    """A row of `windowed` whose window opens or closes now, or has; -1 = there is none."""
    return windows.next_due(state.windowed, state.windows, state.clock[0])


@kernel
def item_row(state, row):
    """Row of the item whose window it is; -1 = it has none."""
    ids = state.windowed
    start = ids.starts[row]
    return vocabulary.find(state.items, ids.arena, start, start + ids.lengths[row], ids.hashes[row])


@kernel
def turn(state, row):
    """What the clock says of a row of `windowed`; was the item shown and is not, or the other way round?

    An item that opens without ever having been used is new from then on. The arena of `hidden` has room for the id.
    """
    ids, now = state.windowed, state.clock[0]
    windows.set_due(ids, state.windows, row, now)
    start = ids.starts[row]
    end, id_hash = start + ids.lengths[row], ids.hashes[row]
    is_open = windows.is_open(state.windows, row, now)
    if is_open != hidden.holds(state.hidden, ids.arena, start, end, id_hash):
        return False
    if is_open:
        hidden.show(state.hidden, ids.arena, start, end, id_hash)
    else:
        hidden.hide(state.hidden, ids.arena, start, end, id_hash, now)
    item = item_row(state, row)
    if item >= 0:
        popularity.set_eligible(state.popularity, item, is_open)
        if is_open and state.popularity.logs[item, 0] == -np.inf:
            state.first_seen[item] = max(state.first_seen[item], state.windows.opens[row])
            learn.announce_item(state, item)
    return True
