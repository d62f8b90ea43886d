"""Decayed counts per item at several half-lives, with exact lists of the heaviest.

Forward decay (Cormode et al., ICDE 2009): an event at ts adds weight * exp(rate (ts - landmark)); relative sizes are
those of exponentially decayed counts, whatever the order in which events arrive. All scores of one half-life share the
landmark, so scores only ever grow between renormalisations and a list of the heaviest changes only by the item at hand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel

EXPONENT_MAX = 40.0
"""Renormalise before exp() of more than this: far inside float64, and a fixed function of the events' times."""


class PopularityState(NamedTuple):
    """State for P half-lives.

    Attributes:
        scores: float64 [P, items].
        logs: float32 [items, P], natural logarithms of the scores; -inf for none. By item, since rankers read all P.
        rates: float64 [P], ln 2 / half-life; 0 = never decays.
        landmarks: float64 [P], seconds.
        top: int32 [P, n], rows of the heaviest items, unsorted, -1 = empty.
        listed: bool [P, items], is the row in `top`.
        floor: float64 [P], a lower bound of the scores in a full `top`.
        eligible: bool [items], false = removed or unavailable: in no list.
    """

    scores: NDArray[np.float64]
    logs: NDArray[np.float32]
    rates: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    top: NDArray[np.int32]
    listed: NDArray[np.bool_]
    floor: NDArray[np.float64]
    eligible: NDArray[np.bool_]


@kernel
def growth(rate, landmark, ts):
    """How much an event at ts weighs in units of one at the landmark."""
    return np.exp(min(rate * (ts - landmark), EXPONENT_MAX))


@kernel
def observe(s, row, ts, weight):
    """An event of weight `weight` on an item."""
    for p in range(s.rates.shape[0]):
        if s.rates[p] * (ts - s.landmarks[p]) > EXPONENT_MAX:
            factor = np.exp(-s.rates[p] * (ts - s.landmarks[p]))
            for i in range(s.scores.shape[1]):
                s.scores[p, i] *= factor
                s.logs[i, p] -= np.float32(s.rates[p] * (ts - s.landmarks[p]))
            s.floor[p] *= factor
            s.landmarks[p] = ts
        s.scores[p, row] += weight * growth(s.rates[p], s.landmarks[p], ts)
        s.logs[row, p] = np.log(s.scores[p, row])
        if s.eligible[row] and not s.listed[p, row] and s.scores[p, row] > s.floor[p]:
            _enter(s, p, row)


@kernel
def _enter(s, p, row):
    """Put a row into the list where an empty place is, or in place of the lightest if that is lighter."""
    lightest = 0
    for at in range(s.top.shape[1]):
        held = s.top[p, at]
        if held < 0:
            s.top[p, at] = row
            s.listed[p, row] = True
            return
        if s.scores[p, held] < s.scores[p, s.top[p, lightest]]:
            lightest = at
    out = s.top[p, lightest]
    s.floor[p] = s.scores[p, out]
    if s.scores[p, row] > s.scores[p, out]:
        s.listed[p, out] = False
        s.listed[p, row] = True
        s.top[p, lightest] = row


@kernel
def set_eligible(s, row, eligible):
    """May the item stand in lists? A gap that it leaves is filled with the next heaviest."""
    s.eligible[row] = eligible
    for p in range(s.rates.shape[0]):
        if eligible:
            if not s.listed[p, row] and s.scores[p, row] > 0.0:
                _enter(s, p, row)
        elif s.listed[p, row]:
            _leave(s, p, row)


@kernel
def _leave(s, p, row):
    s.listed[p, row] = False
    best = -1
    for i in range(s.scores.shape[1]):
        waits = s.eligible[i] and not s.listed[p, i] and s.scores[p, i] > 0.0
        if waits and (best < 0 or s.scores[p, i] > s.scores[p, best]):
            best = i
    for at in range(s.top.shape[1]):
        if s.top[p, at] == row:
            s.top[p, at] = best
            break
    if best >= 0:
        s.listed[p, best] = True
    s.floor[p] = 0.0


@kernel
def clear(s, row):
    """Forget an item; the row is eligible again."""
    set_eligible(s, row, False)
    for p in range(s.rates.shape[0]):
        s.scores[p, row] = 0.0
        s.logs[row, p] = -np.inf
    s.eligible[row] = True


@kernel
def rank_of_row(s, p, row, left_out):
    """1-based rank of an item in the list, ties against it; 0 when it is not in it.

    left_out bool [items] stand above nobody.
    """
    if not s.listed[p, row]:
        return 0
    score = s.scores[p, row]
    rank = 1
    for at in range(s.top.shape[1]):
        held = s.top[p, at]
        if held >= 0 and held != row and s.scores[p, held] >= score and not left_out[held]:
            rank += 1
    return rank
