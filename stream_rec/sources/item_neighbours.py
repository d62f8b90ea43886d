"""Item neighbours over the long history: which items live in the same users' histories.

similarity(i, j) = n_ij / (sqrt(n_i n_j) + shrink), n_ij users with both, n_i users with i; a candidate's score is the
sum over the items of the user's history.

Update: when an item enters a user's history, n_ij += 1 both ways for every other item there.
Source: Deshpande, Karypis, "Item-based top-N recommendation algorithms", TOIS 22(1), 2004, section 4, with counts kept
incrementally as in Miranda, Jorge, "Incremental collaborative filtering for binary ratings", WI 2008; the shrinkage of
Bell, Koren, ICDM 2007.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.kernels import rows
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.candidates import candidate
from stream_rec.kernels.codes import CODE_MASK, NO_CODE, ROW_MASK, is_current
from stream_rec.kernels.compile import kernel
from stream_rec.kernels.ownership import PerItem
from stream_rec.sources.features import number_of

COSINE = number_of("cosine")

WIDTH = 64
"""Entries of a row."""


class ItemNeighbourRates(NamedTuple):
    """What stays the same while learning.

    Attributes:
        history_items: items of the history that one query reads, newest first.
        row_entries: entries of each one's row that it reads.
        shrink: of the cosine.
    """

    history_items: int
    row_entries: int
    shrink: float


RATES = ItemNeighbourRates(history_items=32, row_entries=32, shrink=10.0)


class ItemNeighbourState(NamedTuple):
    """State.

    Attributes:
        codes: int32 [items, width], items met in the same history.
        counts: float32 [items, width], by how many users.
        degree: float32 [items], users who have the item in their history.
    """

    codes: PerItem[np.int32]
    counts: PerItem[np.float32]
    degree: PerItem[np.float32]


def empty(bounds: Bounds) -> ItemNeighbourState:
    """No counts yet."""
    return ItemNeighbourState(
        codes=np.zeros((bounds.items, WIDTH), np.int32),
        counts=np.zeros((bounds.items, WIDTH), np.float32),
        degree=np.zeros(bounds.items, np.float32),
    )


@kernel
def observe(own, past, n_past, code, generation):
    """The user, whose distinct items so far are past[:n_past], takes `code`; nothing if it is among them.

    Counts both directions, so that counts[i, j] == counts[j, i] as long as neither row has overflowed.
    """
    for i in range(n_past):
        if past[i] == code:
            return
    row = code & ROW_MASK
    own.degree[row] += np.float32(1.0)
    for i in range(n_past):
        other = past[i] & CODE_MASK
        if is_current(other, generation):
            rows.add(own.codes, own.counts, row, other, np.float32(1.0))
            rows.add(own.codes, own.counts, other & ROW_MASK, code, np.float32(1.0))


@kernel
def take_back(own, past, n_past, code, generation):
    """The user, whose distinct items but `code` are past[:n_past], does not have it any more."""
    row = code & ROW_MASK
    own.degree[row] = max(own.degree[row] - np.float32(1.0), np.float32(0.0))
    for i in range(n_past):
        other = past[i] & CODE_MASK
        if other != code and is_current(other, generation):
            rows.take(own.codes, own.counts, row, other, np.float32(1.0))
            rows.take(own.codes, own.counts, other & ROW_MASK, code, np.float32(1.0))


@kernel
def clear(own, row):
    """Forget an item's own row."""
    rows.clear(own.codes, row)
    own.degree[row] = np.float32(0.0)


@kernel
def learn(state, query, rates, event):
    """The item enters the history of its user."""
    observe(state.item_neighbours, query.past_codes, query.n_past[0], event.code, state.generation)


@kernel
def undo(state, query, rates, undone):
    """The item leaves the history of its user, unless another event keeps it there."""
    if undone.is_gone:
        take_back(state.item_neighbours, query.past_codes, query.n_past[0], undone.code, state.generation)


@kernel
def evict_item(state, row):
    """Another item gets the row."""
    clear(state.item_neighbours, row)


@kernel
def propose(state, query, rates):
    """Shrunk cosine with the items of the long history, newest first."""
    own = state.item_neighbours
    for i in range(min(query.n_past[0], rates.item_neighbours.history_items)):
        code = query.past_codes[i]
        if not is_current(code, state.generation):
            continue
        row = code & ROW_MASK
        for at in range(min(own.codes.shape[1], rates.item_neighbours.row_entries)):
            other = own.codes[row, at]
            if other == NO_CODE:
                break
            c = candidate(state, query, other, code, 1)
            if c >= 0:
                norm = np.sqrt(own.degree[row] * own.degree[other & ROW_MASK])
                query.features[COSINE, c] += own.counts[row, at] / (
                    norm + np.float32(rates.item_neighbours.shrink)
                )
