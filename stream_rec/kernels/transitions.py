"""Decayed counts item -> next item, by step distance, forwards and backwards."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import rows
from stream_rec.kernels.codes import ROW_MASK, is_current
from stream_rec.kernels.compile import kernel
from stream_rec.kernels.popularity import EXPONENT_MAX, growth

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
        clock: float64 [2]: decay rate, landmark.
    """

    next_codes: NDArray[np.int32]
    next_weights: NDArray[np.float32]
    later_codes: NDArray[np.int32]
    later_weights: NDArray[np.float32]
    back_codes: NDArray[np.int32]
    back_weights: NDArray[np.float32]
    clock: NDArray[np.float64]


@kernel
def observe(t, recent, n_recent, code, ts, weight, generation):
    """An event on `code` after the session's last n_recent events (newest first; repeats are left out)."""
    if t.clock[0] * (ts - t.clock[1]) > EXPONENT_MAX:
        factor = np.float32(np.exp(-t.clock[0] * (ts - t.clock[1])))
        rows.scale(t.next_weights, factor)
        rows.scale(t.later_weights, factor)
        rows.scale(t.back_weights, factor)
        t.clock[1] = ts
    w = np.float32(weight * growth(t.clock[0], t.clock[1], ts))
    for d in range(min(n_recent, RULE_STEPS)):
        before = recent[d]
        if before == code or not is_current(before, generation):
            continue
        row = before & ROW_MASK
        if d == 0:
            rows.add(t.next_codes, t.next_weights, row, code, w)
            rows.add(t.back_codes, t.back_weights, code & ROW_MASK, before, w)
        else:
            rows.add(t.later_codes, t.later_weights, row, code, w / np.float32(d + 1))


@kernel
def clear(t, row):
    """Forget an item's own rows; references to it go stale by its generation."""
    rows.clear(t.next_codes, row)
    rows.clear(t.later_codes, row)
    rows.clear(t.back_codes, row)
