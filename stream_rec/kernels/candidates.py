"""The union of all sources' candidates for one query, with their features.

Lists are normalised by their heaviest entry and square-rooted, so features are free of scale: counts, similarities and
cosines of any data set look alike to the ranker.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels import factors as fac
from stream_rec.kernels import histories, neighbours
from stream_rec.kernels.codes import CODE_MASK, NO_CODE, ROW_MASK, code_of, is_current
from stream_rec.kernels.compile import kernel, kernel_inlined, kernel_sums
from stream_rec.kernels.memory import FLOATS_PER_LINE, prefetch

(
    AFTER,
    BEFORE,
    NEXT,
    NEXT_OLDER,
    LATER,
    BACK,
    COSINE,
    VECTOR,
    IN_SESSION,
    COUNT,
    IS_LAST,
    IN_PAST,
    POPULAR_SHORT,
    POPULAR_MIDDLE,
    POPULAR_LONG,
    YOUTH,
) = range(16)
N_FEATURES = 16

POPULARITY, TRANSITIONS, NEIGHBOURS, ITEM_NEIGHBOURS, FACTORIZATION, SESSION = range(6)
SOURCES = ("popularity", "transitions", "neighbours", "item_neighbours", "factorization", "session")
SOURCE_OF = np.array(
    [
        NEIGHBOURS,
        NEIGHBOURS,
        TRANSITIONS,
        TRANSITIONS,
        TRANSITIONS,
        TRANSITIONS,
        ITEM_NEIGHBOURS,
        FACTORIZATION,
        SESSION,
        SESSION,
        SESSION,
        SESSION,
        POPULARITY,
        POPULARITY,
        POPULARITY,
        POPULARITY,
    ],
    np.int64,
)
"""Which source a feature belongs to."""
N_LISTED = 7
"""The first features are lists: normalised by the heaviest entry and square-rooted."""

STAMP, N_CANDIDATES, N_SESSION, N_PAST = 0, 1, 2, 3
NEXT_OLDER_ITEMS = 3


CANDIDATE_BITS, ROW_BITS = 12, 24
"""A slot of the table: which query wrote it, an item row, its candidate; together 63 bits."""
_CANDIDATE_MASK = (1 << CANDIDATE_BITS) - 1
_LAST_STAMP = (1 << (63 - CANDIDATE_BITS - ROW_BITS)) - 1


@kernel_inlined
def _slot_of(x, row):
    """The slot of an item row in the table, or the empty one where it would stand; its content."""
    stamp = x.query[STAMP]
    wanted = stamp << ROW_BITS | row
    mask = x.table.shape[0] - 1
    at = (row * np.int64(2654435761)) & mask
    held = x.table[at]
    while held >> CANDIDATE_BITS != wanted and held >> (CANDIDATE_BITS + ROW_BITS) == stamp:
        at = (at + 1) & mask
        held = x.table[at]
    return at, held, wanted


@kernel_inlined
def candidate(s, x, code, because, found):
    """Index of a code among the candidates, entered if new; -1 if stale or if there is no room."""
    if not is_current(code, s.generation):
        return -1
    row = code & ROW_MASK
    at, held, wanted = _slot_of(x, row)
    if held >> CANDIDATE_BITS == wanted:
        c = held & _CANDIDATE_MASK
        x.found[c] |= found
        return c
    c = x.query[N_CANDIDATES]
    if c == x.codes.shape[0]:
        return -1
    x.query[N_CANDIDATES] = c + 1
    x.table[at] = wanted << CANDIDATE_BITS | c
    x.codes[c] = code
    x.because[c] = because
    x.found[c] = found
    # finish_features comes back for these when all candidates are in.
    width = s.factors.items.shape[1]
    for j in range(0, width, FLOATS_PER_LINE):
        prefetch(s.factors.items, row * width + j)
    prefetch(s.popularity.logs, row * s.popularity.logs.shape[1])
    return c


@kernel
def index_of(x, code):
    """Index of a current code among the candidates, or -1."""
    _, held, wanted = _slot_of(x, code & ROW_MASK)
    return held & _CANDIDATE_MASK if held >> CANDIDATE_BITS == wanted else -1


@kernel_inlined
def _forget_candidates(x):
    """Begin a query: no candidates, features 0. The table is wiped before stamps come round again."""
    for j in range(x.features.shape[0]):
        for c in range(x.query[N_CANDIDATES]):
            x.features[j, c] = np.float32(0.0)
    x.query[N_CANDIDATES] = 0
    if x.query[STAMP] == _LAST_STAMP:
        x.query[STAMP] = 0
        x.table[:] = 0
    x.query[STAMP] += 1


@kernel_inlined
def read_context(s, x, user, new_session):
    """Fill the session and the history of a user row. A session that begins now is empty.

    Rows below 0: -1 is a stranger; -2 - r stands for a stranger whose session is item row r alone.
    """
    _forget_candidates(x)
    x.query[N_SESSION] = 0
    x.query[N_PAST] = 0
    if user >= 0:
        if not new_session:
            x.query[N_SESSION] = histories.session_items(
                s.histories, user, x.session_codes, x.session_steps, x.session_counts
            )
        x.query[N_PAST] = histories.past_items(s.histories, user, x.past_codes, x.past_steps)
    elif user < -1:
        x.session_codes[0] = x.past_codes[0] = code_of(-2 - user, s.generation)
        x.session_steps[0] = x.past_steps[0] = 0
        x.session_counts[0] = 1
        x.query[N_SESSION] = x.query[N_PAST] = 1


@kernel_inlined
def from_session(s, x):
    """What the session itself and the history say: people return to items."""
    for i in range(x.query[N_SESSION]):
        c = candidate(s, x, x.session_codes[i], x.session_codes[i], 1)
        if c >= 0:
            x.features[IN_SESSION, c] = np.float32(1.0) / np.float32(1 + x.session_steps[i])
            x.features[COUNT, c] = np.sqrt(np.float32(x.session_counts[i])) - np.float32(1.0)
            if i == 0:
                x.features[IS_LAST, c] = np.float32(1.0)
    for i in range(x.query[N_PAST]):
        c = candidate(s, x, x.past_codes[i], x.past_codes[i], 1)
        if c >= 0:
            x.features[IN_PAST, c] = np.float32(1.0) / np.sqrt(np.float32(1 + x.past_steps[i]))


@kernel_inlined
def _from_row(s, x, codes, weights, row, feature, scale, because):
    for at in range(codes.shape[1]):
        code = codes[row, at]
        if code == NO_CODE:
            break
        c = candidate(s, x, code, because, 1)
        if c >= 0:
            x.features[feature, c] += scale * weights[row, at]


@kernel
def _row_total(weights, codes, row):
    total = np.float32(1e-12)
    for at in range(codes.shape[1]):
        if codes[row, at] == NO_CODE:
            break
        total += weights[row, at]
    return total


@kernel_inlined
def from_transitions(s, x):
    """Rows of the last items, each normalised by its sum, so that a popular item does not drown the others."""
    t = s.transitions
    for k in range(min(x.query[N_SESSION], 1 + NEXT_OLDER_ITEMS)):
        code = x.session_codes[k]
        if not is_current(code, s.generation):
            continue
        row = code & ROW_MASK
        share = x.session_decay[k] / _row_total(t.next_weights, t.next_codes, row)
        _from_row(s, x, t.next_codes, t.next_weights, row, NEXT if k == 0 else NEXT_OLDER, share, code)
        share = x.session_decay[k] / _row_total(t.later_weights, t.later_codes, row)
        _from_row(s, x, t.later_codes, t.later_weights, row, LATER, share, code)
        if k == 0:
            share = np.float32(1.0) / _row_total(t.back_weights, t.back_codes, row)
            _from_row(s, x, t.back_codes, t.back_weights, row, BACK, share, code)


PREFETCH_AHEAD = 12
"""Histories on their way from memory while one is read."""


@kernel_inlined
def from_neighbours(s, x, rates, user):
    """Sessions like this one vote for the items after and before the match."""
    y = x.neighbours
    h = s.histories
    mask = h.items.shape[1] - 1
    n = neighbours.accumulate(
        s.neighbours,
        y,
        user,
        x.session_codes,
        x.query[N_SESSION],
        ROW_MASK,
        x.session_decay,
        rates.neighbour_sample,
    )
    n = neighbours.choose(y, n, rates.n_neighbours)
    for i in range(n + PREFETCH_AHEAD):
        if i < n:
            neighbours.fetch(h, y.users[y.chosen[i]], y.place[y.chosen[i]])
        if i < PREFETCH_AHEAD:
            continue
        e = y.chosen[i - PREFETCH_AHEAD]
        other = y.users[e]
        because = x.session_codes[y.item[e]]
        at = neighbours.matched_event(h, other, y.place[e], because)
        if at < 0:
            continue
        weight = y.similarity[e]
        for q in range(at + 1, neighbours.session_end(h, other, at, rates.match_window)):
            c = candidate(s, x, h.items[other, q & mask] & CODE_MASK, because, 1)
            if c >= 0:
                x.features[AFTER, c] += weight * x.match_decay[q - at]
        for q in range(neighbours.session_begin(h, other, at, rates.match_window), at):
            c = candidate(s, x, h.items[other, q & mask] & CODE_MASK, because, 1)
            if c >= 0:
                x.features[BEFORE, c] += weight * x.match_decay[at - q]


@kernel_inlined
def from_item_neighbours(s, x, rates):
    """Shrunk cosine with the items of the long history, newest first."""
    m = s.item_neighbours
    for i in range(min(x.query[N_PAST], rates.history_items)):
        code = x.past_codes[i]
        if not is_current(code, s.generation):
            continue
        row = code & ROW_MASK
        for at in range(min(m.codes.shape[1], rates.row_entries)):
            other = m.codes[row, at]
            if other == NO_CODE:
                break
            c = candidate(s, x, other, code, 1)
            if c >= 0:
                norm = np.sqrt(m.degree[row] * m.degree[other & ROW_MASK]) + np.float32(rates.cosine_shrink)
                x.features[COSINE, c] += m.counts[row, at] / norm


@kernel_inlined
def from_popularity(s, x):
    """The heaviest items at every half-life, and the newest."""
    p = s.popularity
    for h in range(p.rates.shape[0]):
        for at in range(p.top.shape[1]):
            row = p.top[h, at]
            if row >= 0:
                candidate(s, x, code_of(row, s.generation), NO_CODE, 1)
    for i in range(min(s.n_newest[0], s.newest.shape[0])):
        candidate(s, x, s.newest[i], NO_CODE, 1)


@kernel_inlined
def from_vectors(s, x, rows, n):
    """What the vector index found: item rows, -1 = none."""
    because = NO_CODE
    for i in range(x.query[N_SESSION]):
        if is_current(x.session_codes[i], s.generation):
            because = x.session_codes[i]
            break
    for i in range(n):
        if rows[i] >= 0:
            candidate(s, x, code_of(rows[i], s.generation), because, 0)


LOG_SPAN = np.float32(8.0)
"""Items less popular than exp(-8) of the most popular candidate look alike."""


@kernel_sums
def _share_of_heaviest(column, n):
    """Each of column[:n] by the heaviest of them, square-rooted."""
    top = np.float32(0.0)
    for c in range(n):
        top = max(top, column[c])
    if top == np.float32(0.0):
        return
    scale = np.float32(1.0) / top
    for c in range(n):
        column[c] = np.sqrt(column[c] * scale)


@kernel_sums
def _standardise(column, n):
    """Mean 0 and deviation 1 over column[:n]."""
    total = np.float32(0.0)
    squares = np.float32(0.0)
    for c in range(n):
        total += column[c]
        squares += column[c] * column[c]
    mean = total / np.float32(n)
    scale = np.float32(1.0) / np.sqrt(max(squares / np.float32(n) - mean * mean, np.float32(1e-6)))
    for c in range(n):
        column[c] = (column[c] - mean) * scale


@kernel_sums
def _height(column, n):
    """Logarithms as places between 0 (LOG_SPAN or more below the greatest) and 1 (the greatest)."""
    heaviest = np.float32(-1e30)
    for c in range(n):
        heaviest = max(heaviest, column[c])
    for c in range(n):
        column[c] = np.float32(1.0) + max(column[c] - heaviest, -LOG_SPAN) / LOG_SPAN


@kernel_inlined
def finish_features(s, x, rates, has_vector):
    """Features that every candidate has whoever found it, and the normalisation of the lists."""
    n = x.query[N_CANDIDATES]
    now = s.clock[0]
    for c in range(n):
        row = x.codes[c] & ROW_MASK
        if has_vector:
            x.features[VECTOR, c] = fac.dot(s.factors.items, row, x.vector)
        if rates.sources[POPULARITY]:
            for h in range(3):
                x.features[POPULAR_SHORT + h, c] = s.popularity.logs[row, h]
            age = max(now - s.first_seen[row], 0.0)
            x.features[YOUTH, c] = np.float32(rates.item_age_seconds / (rates.item_age_seconds + age))
    for j in range(N_LISTED):
        _share_of_heaviest(x.features[j], n)
    if has_vector:
        _standardise(x.features[VECTOR], n)
    if rates.sources[POPULARITY]:
        for h in range(3):
            _height(x.features[POPULAR_SHORT + h], n)


@kernel_inlined
def gather(s, x, rates, user, vector_rows, has_vector):
    """All candidates and features for the context that read_context filled. Reads the state, writes only x.

    A source that is switched off brings no candidates, and its features stay 0.
    """
    on = rates.sources
    if on[SESSION]:
        from_session(s, x)
    if on[TRANSITIONS]:
        from_transitions(s, x)
    if on[NEIGHBOURS]:
        from_neighbours(s, x, rates, user)
    if on[ITEM_NEIGHBOURS]:
        from_item_neighbours(s, x, rates)
    from_vectors(s, x, vector_rows, vector_rows.shape[0])
    if on[POPULARITY]:
        from_popularity(s, x)
    finish_features(s, x, rates, has_vector)


@kernel
def context_of(x):
    """Which of the ranker's contexts a query has: by length of the session (0, 1, 2, 3-5, more)."""
    n = x.query[N_SESSION]
    if n <= 2:
        return n
    return 3 if n <= 5 else 4


N_CONTEXTS = 5
