"""The candidates of one query: sources enter what they propose here, each item once."""

from __future__ import annotations

import numpy as np

from stream_rec.kernels import histories
from stream_rec.kernels.codes import ROW_MASK, code_of, is_current
from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.kernels.memory import FLOATS_PER_LINE, prefetch
from stream_rec.kernels.slots import n_columns

CANDIDATE_BITS, ROW_BITS = 12, 24
"""A slot of the table: which query wrote it, an item row, its candidate; together 63 bits."""
_CANDIDATE_MASK = (1 << CANDIDATE_BITS) - 1
LAST_STAMP = (1 << (63 - CANDIDATE_BITS - ROW_BITS)) - 1


@kernel_inner
def _slot_of(query, row):
    """The slot of an item row in the table, or the empty one where it would stand; its content."""
    stamp = query.stamp[0]
    wanted = stamp << ROW_BITS | row
    mask = query.table.shape[0] - 1
    at = (row * np.int64(2654435761)) & mask
    held = query.table[at]
    while held >> CANDIDATE_BITS != wanted and held >> (CANDIDATE_BITS + ROW_BITS) == stamp:
        at = (at + 1) & mask
        held = query.table[at]
    return at, held, wanted


@kernel
def candidate(state, query, code, because, found):
    """Index of a code among the candidates, entered if new; -1 if stale or if there is no room.

    Args:
        state: read only.
        query: its candidates.
        code: of the item.
        because: code of the user's item that led to it, NO_CODE = none; kept if the item is new here.
        found: 1, or 0 if the vector index alone has found it.
    """
    if not is_current(code, state.generation):
        return -1
    row = code & ROW_MASK
    at, held, wanted = _slot_of(query, row)
    if held >> CANDIDATE_BITS == wanted:
        c = held & _CANDIDATE_MASK
        query.found[c] |= found
        return c
    c = query.n_candidates[0]
    if c == query.codes.shape[0]:
        return -1
    query.n_candidates[0] = c + 1
    query.table[at] = wanted << CANDIDATE_BITS | c
    query.codes[c] = code
    query.because[c] = because
    query.found[c] = found
    # Sources that describe every candidate come back for these when all are in.
    width = state.factors.items.shape[1]
    for j in range(0, width, FLOATS_PER_LINE):
        prefetch(state.factors.items, row * width + j)
    prefetch(state.popularity.logs, row * state.popularity.logs.shape[1])
    return c


@kernel_inner
def index_of(query, code):
    """Index of a current code among the candidates, or -1."""
    _, held, wanted = _slot_of(query, code & ROW_MASK)
    return held & _CANDIDATE_MASK if held >> CANDIDATE_BITS == wanted else -1


@kernel_inner
def _forget_candidates(state, query):
    """Begin a query: no candidates, features 0. The table is wiped before stamps come round again."""
    for j in range(query.n_columns[0]):
        for c in range(query.n_candidates[0]):
            query.features[j, c] = np.float32(0.0)
    query.n_candidates[0] = 0
    query.n_columns[0] = n_columns(state, query)
    if query.stamp[0] == LAST_STAMP:
        query.stamp[0] = 0
        query.table[:] = 0
    query.stamp[0] += 1


@kernel
def read_context(state, query, user, new_session):
    """Fill the session and the history of a user row. A session that begins now is empty.

    Rows below 0: -1 is an unknown user; -2 - r stands for an unknown user whose session is item row r alone.
    """
    _forget_candidates(state, query)
    query.user[0] = user
    query.n_session[0] = 0
    query.n_past[0] = 0
    if user >= 0:
        if not new_session:
            query.n_session[0] = histories.session_items(
                state.histories, user, query.session_codes, query.session_steps, query.session_counts
            )
        query.n_past[0] = histories.past_items(state.histories, user, query.past_codes, query.past_steps)
    elif user < -1:
        query.session_codes[0] = query.past_codes[0] = code_of(-2 - user, state.generation)
        query.session_steps[0] = query.past_steps[0] = 0
        query.session_counts[0] = 1
        query.n_session[0] = query.n_past[0] = 1
