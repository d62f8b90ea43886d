"""Transitions: how often one item follows another within a session.

Three tables of sparse rows: directly after (a first-order Markov chain), 2 to 5 items after (sequential rules, weighted
1 / distance), and directly before. Features are shares of a row, so that rows of popular items do not drown the others.

Update: for the session's last distinct items j (distance d): weight[j, item] += w / d, w decayed forwards.
Source: "sequential rules" and "Markov chains" in Ludewig, Jannach, "Evaluation of Session-based Recommendation
Algorithms", UMUAI 28, 2018, sections 3.1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import rows
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.candidates import candidate
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, is_current
from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.kernels.decay import EXPONENT_MAX, growth
from stream_rec.kernels.ownership import PerItem
from stream_rec.kernels.records import record
from stream_rec.sources.features import number_of

NEXT, NEXT_OLDER, LATER, BACK = (number_of(name) for name in ("next", "next_older", "later", "back"))

HALF_LIFE = 30 * 86_400.0
"""Seconds."""
NEXT_WIDTH, LATER_WIDTH, BACK_WIDTH = 80, 64, 48
"""Entries of a row."""
NEXT_OLDER_ITEMS = 3
"""Items of the session before the last one that propose."""
CLOCK = record([("rate", np.float64), ("landmark", np.float64)])
"""ln 2 / half-life; the time at which an event weighs 1, seconds."""
RULE_STEPS = 5
"""Farthest step distance that is counted: 1 in `next`, 2..RULE_STEPS in `later`, weighted 1 / distance."""


class TransitionState(NamedTuple):
    """State; row r of each pair of arrays is item row r.

    Attributes:
        next_codes: int32 [items, a], what came directly after.
        next_weights: float32 [items, a].
        later_codes: int32 [items, b], what came 2..RULE_STEPS events after.
        later_weights: float32 [items, b].
        back_codes: int32 [items, c], what came directly before.
        back_weights: float32 [items, c].
        clock: CLOCK [1].
    """

    next_codes: PerItem[np.int32]
    next_weights: PerItem[np.float32]
    later_codes: PerItem[np.int32]
    later_weights: PerItem[np.float32]
    back_codes: PerItem[np.int32]
    back_weights: PerItem[np.float32]
    clock: NDArray[np.void]


def empty(bounds: Bounds) -> TransitionState:
    """No transitions yet."""
    n_items = bounds.items
    return TransitionState(
        next_codes=np.zeros((n_items, NEXT_WIDTH), np.int32),
        next_weights=np.zeros((n_items, NEXT_WIDTH), np.float32),
        later_codes=np.zeros((n_items, LATER_WIDTH), np.int32),
        later_weights=np.zeros((n_items, LATER_WIDTH), np.float32),
        back_codes=np.zeros((n_items, BACK_WIDTH), np.int32),
        back_weights=np.zeros((n_items, BACK_WIDTH), np.float32),
        clock=np.array([(math.log(2) / HALF_LIFE, 0.0)], CLOCK),
    )


@kernel
def observe(own, recent, n_recent, code, ts, weight, generation):
    """An event on `code` after the session's last n_recent events (newest first, distinct)."""
    clock = own.clock[0]
    if clock.rate * (ts - clock.landmark) > EXPONENT_MAX:
        factor = np.float32(np.exp(-clock.rate * (ts - clock.landmark)))
        rows.scale(own.next_weights, factor)
        rows.scale(own.later_weights, factor)
        rows.scale(own.back_weights, factor)
        clock.landmark = ts
    w = np.float32(weight * growth(clock.rate, clock.landmark, ts))
    for d in range(min(n_recent, RULE_STEPS)):
        before = recent[d]
        if before == code or not is_current(before, generation):
            continue
        row = before & ROW_MASK
        if d == 0:
            rows.add(own.next_codes, own.next_weights, row, code, w)
            rows.add(own.back_codes, own.back_weights, code & ROW_MASK, before, w)
        else:
            rows.add(own.later_codes, own.later_weights, row, code, w / np.float32(d + 1))


@kernel_inner
def take_back(own, recent, n_recent, code, ts, weight, generation):
    """An event that `observe` was told of counts no more; the items before it as they were then."""
    clock = own.clock[0]
    w = np.float32(weight * growth(clock.rate, clock.landmark, ts))
    for d in range(min(n_recent, RULE_STEPS)):
        before = recent[d]
        if before == code or not is_current(before, generation):
            continue
        row = before & ROW_MASK
        if d == 0:
            rows.take(own.next_codes, own.next_weights, row, code, w)
            rows.take(own.back_codes, own.back_weights, code & ROW_MASK, before, w)
        else:
            rows.take(own.later_codes, own.later_weights, row, code, w / np.float32(d + 1))


@kernel
def clear(own, row):
    """Forget an item's own rows; references to it go stale by its generation."""
    rows.clear(own.next_codes, row)
    rows.clear(own.later_codes, row)
    rows.clear(own.back_codes, row)


@kernel_inner
def learn(state, query, rates, event):
    """The event follows on what the session held before it."""
    observe(
        state.transitions,
        query.session_codes,
        query.n_session[0],
        event.code,
        event.ts,
        event.weight,
        state.generation,
    )


@kernel_inner
def undo(state, query, rates, undone):
    """The event did not follow on what the session held before it."""
    take_back(
        state.transitions,
        query.session_codes,
        query.n_session[0],
        undone.code,
        undone.ts,
        undone.weight,
        state.generation,
    )


@kernel_inner
def evict_item(state, row):
    """Another item gets the row."""
    clear(state.transitions, row)


@kernel_inner
def _from_row(state, query, codes, weights, row, feature, scale, because):
    for at in range(codes.shape[1]):
        code = codes[row, at]
        if code == NO_CODE:
            break
        c = candidate(state, query, code, because, 1)
        if c >= 0:
            query.features[feature, c] += scale * weights[row, at]


@kernel_inner
def _row_total(weights, codes, row):
    total = np.float32(1e-12)
    for at in range(codes.shape[1]):
        if codes[row, at] == NO_CODE:
            break
        total += weights[row, at]
    return total


@kernel
def propose(state, query, rates):
    """Rows of the last items, each normalised by its sum, so that a popular item does not drown the others."""
    own = state.transitions
    for k in range(min(query.n_session[0], 1 + NEXT_OLDER_ITEMS)):
        code = query.session_codes[k]
        if not is_current(code, state.generation):
            continue
        row = code & ROW_MASK
        decay = query.session_decay[k]
        share = decay / _row_total(own.next_weights, own.next_codes, row)
        feature = NEXT if k == 0 else NEXT_OLDER
        _from_row(state, query, own.next_codes, own.next_weights, row, feature, share, code)
        share = decay / _row_total(own.later_weights, own.later_codes, row)
        _from_row(state, query, own.later_codes, own.later_weights, row, LATER, share, code)
        if k == 0:
            share = np.float32(1.0) / _row_total(own.back_weights, own.back_codes, row)
            _from_row(state, query, own.back_codes, own.back_weights, row, BACK, share, code)
