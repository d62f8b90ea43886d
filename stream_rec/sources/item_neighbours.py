"""Item neighbours over the long history: which items live in the same users' histories.

similarity(i, j) = n_ij / (sqrt(n_i n_j) + shrink), n_ij users with both, n_i users with i; a candidate's score is the
sum over the items of the user's history.

A second step, `hop`, starts from the items that session neighbours vote for most (`after`): each hands its vote on to
its own neighbours, by the same similarity. So an item that no session like this one held is found, if users of one that
they held had it, too.

Update: when an item enters a user's history, n_ij += 1 both ways for every other item there.
Source: Deshpande, Karypis, "Item-based top-N recommendation algorithms", TOIS 22(1), 2004, section 4, with counts kept
incrementally as in Miranda, Jorge, "Incremental collaborative filtering for binary ratings", WI 2008; the shrinkage of
Bell, Koren, ICDM 2007. The second step is a random walk over items, cut to the heaviest: Cooper, Lee, Radinsky,
Siantos, "Random walks in recommender systems: exact computation and simulations", WWW 2014.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import rows
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.candidates import candidate
from stream_rec.kernels.codes import CODE_MASK, NO_CODE, ROW_MASK, is_current
from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.kernels.memory import FLOATS_PER_LINE, prefetch
from stream_rec.kernels.ownership import PerItem
from stream_rec.sources.features import number_of
from stream_rec.sources.neighbours import AFTER

COSINE, HOP = number_of("cosine"), number_of("hop")

WIDTH = 64
"""Entries of a row."""


class ItemNeighbourRates(NamedTuple):
    """What stays the same while learning.

    Attributes:
        history_items: items of the history that one query reads, newest first.
        row_entries: entries of each one's row that it reads.
        hop_entries: entries of a row that the second step reads.
        shrink: of the cosine.
    """

    history_items: int
    row_entries: int
    hop_entries: int
    shrink: float


RATES = ItemNeighbourRates(history_items=32, row_entries=32, hop_entries=16, shrink=10.0)
N_VOTING = 20
"""Items whose votes are handed on."""


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


class ItemNeighbourScratch(NamedTuple):
    """Working memory of one query.

    Attributes:
        voting: int32 [N_VOTING], candidates with the most votes, the lightest first.
        votes: float32 [N_VOTING], theirs.
        in_history: bool [items], of the items that a query reads; all false between queries.
    """

    voting: NDArray[np.int32]
    votes: NDArray[np.float32]
    in_history: NDArray[np.bool_]


def scratch(bounds: Bounds) -> ItemNeighbourScratch:
    """Working memory of one query."""
    return ItemNeighbourScratch(
        voting=np.zeros(N_VOTING, np.int32),
        votes=np.zeros(N_VOTING, np.float32),
        in_history=np.zeros(bounds.items, np.bool_),
    )


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


@kernel_inner
def take_back(own, past, n_past, code, generation):
    """The user, whose distinct items but `code` are past[:n_past], does not have it any more."""
    row = code & ROW_MASK
    own.degree[row] = max(own.degree[row] - np.float32(1.0), np.float32(0.0))
    for i in range(n_past):
        other = past[i] & CODE_MASK
        if other != code and is_current(other, generation):
            rows.take(own.codes, own.counts, row, other, np.float32(1.0))
            rows.take(own.codes, own.counts, other & ROW_MASK, code, np.float32(1.0))


@kernel_inner
def clear(own, row):
    """Forget an item's own row."""
    rows.clear(own.codes, row)
    own.degree[row] = np.float32(0.0)


@kernel_inner
def learn(state, query, rates, event):
    """The item enters the history of its user."""
    observe(state.item_neighbours, query.past_codes, query.n_past[0], event.code, state.generation)


@kernel_inner
def undo(state, query, rates, undone):
    """The item leaves the history of its user, unless another event keeps it there."""
    if undone.is_gone:
        take_back(state.item_neighbours, query.past_codes, query.n_past[0], undone.code, state.generation)


@kernel_inner
def evict_item(state, row):
    """Another item gets the row."""
    clear(state.item_neighbours, row)


@kernel_inner
def _shrunk(own, row, other, rates):
    """What divides the count of two rows."""
    return np.sqrt(own.degree[row] * own.degree[other]) + np.float32(rates.item_neighbours.shrink)


@kernel_inner
def mark_history(state, query, rates, marked):
    """Mark the items of the history that a query reads; or take the marks off."""
    for i in range(min(query.n_past[0], rates.item_neighbours.history_items)):
        if is_current(query.past_codes[i], state.generation):
            query.item_neighbours.in_history[query.past_codes[i] & ROW_MASK] = marked


@kernel_inner
def from_own_row(state, query, rates, c):
    """Candidate c by its own row, if that says more: rows of the history may have had no room for it.

    Counts are the same both ways, so an entry that both rows hold says the same. The history is marked.
    """
    own = state.item_neighbours
    row, total = query.codes[c] & ROW_MASK, np.float32(0.0)
    for at in range(own.codes.shape[1]):
        other = own.codes[row, at]
        if other == NO_CODE:
            break
        if query.item_neighbours.in_history[other & ROW_MASK] and is_current(other, state.generation):
            total += own.counts[row, at] / _shrunk(own, row, other & ROW_MASK, rates)
    query.features[COSINE, c] = max(query.features[COSINE, c], total)


@kernel_inner
def _fetch(own, code, n_entries):
    """Begin to read an item's row."""
    first = (code & ROW_MASK) * own.codes.shape[1]
    for at in range(first, first + n_entries, FLOATS_PER_LINE):
        prefetch(own.codes, at)
        prefetch(own.counts, at)


@kernel_inner
def _from_row(state, query, rates, code, because, weight, feature, n_entries):
    """The neighbours of an item become candidates, by shrunk cosine times `weight`."""
    own = state.item_neighbours
    row = code & ROW_MASK
    for at in range(min(own.codes.shape[1], n_entries)):
        other = own.codes[row, at]
        if other == NO_CODE:
            break
        c = candidate(state, query, other, because, 1)
        if c >= 0:
            query.features[feature, c] += (
                weight * own.counts[row, at] / _shrunk(own, row, other & ROW_MASK, rates)
            )


@kernel
def _choose_voting(query, own):
    """The candidates with the most votes of session neighbours, the lightest first; how many."""
    n = 0
    for c in range(query.n_candidates[0]):
        vote = query.features[AFTER, c]
        if vote == np.float32(0.0) or (n == own.votes.shape[0] and vote <= own.votes[0]):
            continue
        at = 0 if n == own.votes.shape[0] else n
        n = min(n + 1, own.votes.shape[0])
        while at > 0 and own.votes[at - 1] > vote:
            own.votes[at], own.voting[at] = own.votes[at - 1], own.voting[at - 1]
            at -= 1
        while at + 1 < n and own.votes[at + 1] < vote:
            own.votes[at], own.voting[at] = own.votes[at + 1], own.voting[at + 1]
            at += 1
        own.votes[at], own.voting[at] = vote, c
    return n


@kernel
def propose(state, query, rates):
    """Shrunk cosine with the items of the long history, newest first, and with those that neighbours vote for."""
    own, n_entries = state.item_neighbours, rates.item_neighbours.row_entries
    n = min(query.n_past[0], rates.item_neighbours.history_items)
    for i in range(n):
        _fetch(own, query.past_codes[i], n_entries)
    for i in range(n):
        code = query.past_codes[i]
        if is_current(code, state.generation):
            _from_row(state, query, rates, code, code, np.float32(1.0), COSINE, n_entries)
    found, n_entries = query.item_neighbours, rates.item_neighbours.hop_entries
    n = _choose_voting(query, found)
    for i in range(n):
        _fetch(own, query.codes[found.voting[i]], n_entries)
    for i in range(n):
        c = found.voting[i]
        _from_row(state, query, rates, query.codes[c], query.because[c], found.votes[i], HOP, n_entries)
