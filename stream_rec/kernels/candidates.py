"""The union of all sources' candidates for one query, with their features.

Lists are normalised by their heaviest entry and square-rooted, so features are free of scale: counts, similarities and
cosines of any data set look alike to the ranker.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels import factors as fac
from stream_rec.kernels import histories, neighbours
from stream_rec.kernels.codes import CODE_MASK, NO_CODE, ROW_MASK, code_of, is_current
from stream_rec.kernels.compile import kernel, kernel_sums

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


@kernel
def candidate(s, x, code, because, found):
    """Index of a code among the candidates, entered if new; -1 if stale or if there is no room."""
    if not is_current(code, s.generation):
        return -1
    stamp = x.query[STAMP]
    mask = x.key.shape[0] - 1
    at = (code * np.int64(2654435761)) & mask
    while x.stamp[at] == stamp:
        if x.key[at] == code:
            c = x.slot[at]
            x.found[c] |= found
            return c
        at = (at + 1) & mask
    c = x.query[N_CANDIDATES]
    if c == x.codes.shape[0]:
        return -1
    x.query[N_CANDIDATES] = c + 1
    x.stamp[at] = stamp
    x.key[at] = code
    x.slot[at] = c
    x.codes[c] = code
    x.because[c] = because
    x.found[c] = found
    for j in range(x.features.shape[1]):
        x.features[c, j] = np.float32(0.0)
    return c


@kernel
def index_of(x, code):
    """Index of a code among the candidates, or -1."""
    stamp = x.query[STAMP]
    mask = x.key.shape[0] - 1
    at = (code * np.int64(2654435761)) & mask
    while x.stamp[at] == stamp:
        if x.key[at] == code:
            return x.slot[at]
        at = (at + 1) & mask
    return -1


@kernel
def read_context(s, x, user, new_session):
    """Fill the session and the history of a user row. A session that begins now is empty.

    Rows below 0: -1 is a stranger; -2 - r stands for a stranger whose session is item row r alone.
    """
    x.query[STAMP] += 1
    x.query[N_CANDIDATES] = 0
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


@kernel
def from_session(s, x):
    """What the session itself and the history say: people return to items."""
    for i in range(x.query[N_SESSION]):
        c = candidate(s, x, x.session_codes[i], x.session_codes[i], 1)
        if c >= 0:
            x.features[c, IN_SESSION] = np.float32(1.0) / np.float32(1 + x.session_steps[i])
            x.features[c, COUNT] = np.sqrt(np.float32(x.session_counts[i])) - np.float32(1.0)
            if i == 0:
                x.features[c, IS_LAST] = np.float32(1.0)
    for i in range(x.query[N_PAST]):
        c = candidate(s, x, x.past_codes[i], x.past_codes[i], 1)
        if c >= 0:
            x.features[c, IN_PAST] = np.float32(1.0) / np.sqrt(np.float32(1 + x.past_steps[i]))


@kernel
def _from_row(s, x, codes, weights, row, feature, scale, because):
    for at in range(codes.shape[1]):
        code = codes[row, at]
        if code == NO_CODE:
            break
        c = candidate(s, x, code, because, 1)
        if c >= 0:
            x.features[c, feature] += scale * weights[row, at]


@kernel
def _row_total(weights, codes, row):
    total = np.float32(1e-12)
    for at in range(codes.shape[1]):
        if codes[row, at] == NO_CODE:
            break
        total += weights[row, at]
    return total


@kernel
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


@kernel
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
    for i in range(neighbours.choose(y, n, rates.n_neighbours)):
        e = y.chosen[i]
        other = y.users[e]
        because = x.session_codes[y.item[e]]
        at = neighbours.matched_event(h, other, y.place[e], because)
        if at < 0:
            continue
        weight = y.similarity[e]
        for q in range(at + 1, neighbours.session_end(h, other, at, rates.match_window)):
            c = candidate(s, x, h.items[other, q & mask] & CODE_MASK, because, 1)
            if c >= 0:
                x.features[c, AFTER] += weight * x.match_decay[q - at]
        for q in range(neighbours.session_begin(h, other, at, rates.match_window), at):
            c = candidate(s, x, h.items[other, q & mask] & CODE_MASK, because, 1)
            if c >= 0:
                x.features[c, BEFORE] += weight * x.match_decay[at - q]


@kernel
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
                x.features[c, COSINE] += m.counts[row, at] / norm


@kernel
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


@kernel
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
def finish_features(s, x, rates, has_vector):
    """Features that every candidate has whoever found it, and the normalisation of the lists."""
    n = x.query[N_CANDIDATES]
    p = s.popularity
    now = s.clock[0]
    tops = x.tops
    tops[:] = np.float32(1e-12)
    heaviest = x.heaviest
    heaviest[:] = np.float32(-1e30)
    total = np.float32(0.0)
    squares = np.float32(0.0)
    for c in range(n):
        row = x.codes[c] & ROW_MASK
        for j in range(N_LISTED):
            tops[j] = max(tops[j], x.features[c, j])
        for h in range(3):
            heaviest[h] = max(heaviest[h], p.logs[row, h])
        if has_vector:
            d = fac.dot(s.factors.items, row, x.vector)
            x.features[c, VECTOR] = d
            total += d
            squares += d * d
    mean = total / np.float32(n)
    scale = np.float32(1.0) / np.sqrt(max(squares / np.float32(n) - mean * mean, np.float32(1e-6)))
    for j in range(N_LISTED):
        tops[j] = np.float32(1.0) / tops[j]
    for c in range(n):
        row = x.codes[c] & ROW_MASK
        for j in range(N_LISTED):
            x.features[c, j] = np.sqrt(x.features[c, j] * tops[j])
        if has_vector:
            x.features[c, VECTOR] = (x.features[c, VECTOR] - mean) * scale
        if not rates.sources[POPULARITY]:
            continue
        for h in range(3):
            below = max(p.logs[row, h] - heaviest[h], -LOG_SPAN)
            x.features[c, POPULAR_SHORT + h] = np.float32(1.0) + below / LOG_SPAN
        age = max(now - s.first_seen[row], 0.0)
        x.features[c, YOUTH] = np.float32(rates.item_age_seconds / (rates.item_age_seconds + age))


@kernel
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
