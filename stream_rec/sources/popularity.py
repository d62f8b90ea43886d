"""Popularity: decayed counts of events per item, at three half-lives.

*Trending* (an hour), *popular* (a day) and *all the time* (30 days). Candidates are the heaviest of each; every
candidate, whoever found it, gets log(count / heaviest candidate's count) as a feature: the ranker's weight is an
exponent of popularity. The lists for everybody go by counts in which repeats of one user count less.

Update: score += weight * exp(rate * (ts - landmark)), forward decay: Cormode, Shkapenyuk, Srivastava, Xu,
"Forward Decay: A Practical Time Decay Model for Streaming Systems", ICDE 2009, section 3.

All scores of one half-life share the landmark, so scores only ever grow between renormalisations, and a list of the
heaviest changes only by the item at hand.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import histories
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.candidates import candidate
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of
from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.kernels.decay import EXPONENT_MAX, growth
from stream_rec.kernels.ownership import AcrossItems
from stream_rec.sources.features import number_of

POPULAR_SHORT, YOUTH = number_of("popular_short"), number_of("youth")

HALF_LIVES = (3600.0, 86_400.0, 30 * 86_400.0)
"""Seconds."""
N_TOP = 40
SHORT, MIDDLE = 0, 1
"""Half-lives by their place."""
ROUNDING = 1e-9
"""The part of a weight that may be left when it was taken back."""
N_LISTED = 2
"""Half-lives that lists for everybody are made at: the first ones."""


class PopularityRates(NamedTuple):
    """What stays the same while learning.

    Attributes:
        item_age_seconds: the age at which an item's youth is half of what it was.
    """

    item_age_seconds: float


RATES = PopularityRates(item_age_seconds=86_400.0)


class PopularityState(NamedTuple):
    """State for P half-lives.

    Attributes:
        scores: float64 [P, items].
        reach: float64 [N_LISTED, items], like the first scores, but that what one user does with an item again and
            again counts half as much each time (`repeats`): what the lists for everybody go by.
        logs: float32 [items, P], natural logarithms of the scores; -inf for none. By item, since rankers read all P.
        rates: float64 [P], ln 2 / half-life; 0 = never decays.
        landmarks: float64 [P], seconds.
        top: int32 [P, n], rows of the heaviest items, unsorted, -1 = empty.
        listed: bool [P, items], is the row in `top`.
        floor: float64 [P], a lower bound of the scores in a full `top`.
        eligible: bool [items], false = removed or unavailable: in no list.
    """

    scores: AcrossItems[np.float64]
    reach: AcrossItems[np.float64]
    logs: AcrossItems[np.float32]
    rates: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    top: NDArray[np.int32]
    listed: AcrossItems[np.bool_]
    floor: NDArray[np.float64]
    eligible: AcrossItems[np.bool_]


def n_top(longest_slate: int) -> int:
    """How many items the lists of the heaviest hold: twice the longest slate, so that filters leave enough."""
    return max(N_TOP, 2 * longest_slate)


def empty(bounds: Bounds) -> PopularityState:
    """No events yet."""
    n, n_items = len(HALF_LIVES), bounds.items
    return PopularityState(
        scores=np.zeros((n, n_items), np.float64),
        reach=np.zeros((N_LISTED, n_items), np.float64),
        logs=np.full((n_items, n), -np.inf, np.float32),
        rates=np.array([math.log(2) / h for h in HALF_LIVES]),
        landmarks=np.zeros(n, np.float64),
        top=np.full((n, n_top(bounds.longest_slate)), -1, np.int32),
        listed=np.zeros((n, n_items), np.bool_),
        floor=np.zeros(n, np.float64),
        eligible=np.ones(n_items, np.bool_),
    )


@kernel
def observe(own, row, ts, weight, repeats):
    """An event of weight `weight` on an item, which its user has repeated so many times (`repeats`)."""
    reach = weight * 0.5**repeats
    for h in range(own.rates.shape[0]):
        if own.rates[h] * (ts - own.landmarks[h]) > EXPONENT_MAX:
            factor = np.exp(-own.rates[h] * (ts - own.landmarks[h]))
            for i in range(own.scores.shape[1]):
                own.scores[h, i] *= factor
                own.logs[i, h] -= np.float32(own.rates[h] * (ts - own.landmarks[h]))
                if h < N_LISTED:
                    own.reach[h, i] *= factor
            own.floor[h] *= factor
            own.landmarks[h] = ts
        grown = growth(own.rates[h], own.landmarks[h], ts)
        own.scores[h, row] += weight * grown
        if h < N_LISTED:
            own.reach[h, row] += reach * grown
        own.logs[row, h] = np.log(own.scores[h, row])
        if own.eligible[row] and not own.listed[h, row] and own.scores[h, row] > own.floor[h]:
            _enter(own, h, row)


@kernel_inner
def take_back(own, row, ts, weight, reach):
    """An event that `observe` was told of counts no more. Nothing falls below 0: an evicted item has begun anew."""
    for h in range(own.rates.shape[0]):
        grown = growth(own.rates[h], own.landmarks[h], ts)
        own.scores[h, row] = _without(own.scores[h, row], weight * grown)
        if h < N_LISTED:
            own.reach[h, row] = _without(own.reach[h, row], reach * grown)
        own.logs[row, h] = np.log(own.scores[h, row]) if own.scores[h, row] > 0.0 else -np.inf
        if own.listed[h, row]:
            own.floor[h] = min(own.floor[h], own.scores[h, row])
            if own.scores[h, row] == 0.0:
                _leave(own, h, row)


@kernel_inner
def _without(score, taken):
    left = score - taken
    return left if left > ROUNDING * taken else 0.0


@kernel_inner
def _enter(own, h, row):
    """Put a row into the list where an empty place is, or in place of the lightest if that is lighter."""
    lightest = 0
    for at in range(own.top.shape[1]):
        held = own.top[h, at]
        if held < 0:
            own.top[h, at] = row
            own.listed[h, row] = True
            return
        if own.scores[h, held] < own.scores[h, own.top[h, lightest]]:
            lightest = at
    out = own.top[h, lightest]
    own.floor[h] = own.scores[h, out]
    if own.scores[h, row] > own.scores[h, out]:
        own.listed[h, out] = False
        own.listed[h, row] = True
        own.top[h, lightest] = row


@kernel
def set_eligible(own, row, eligible):
    """May the item stand in lists? A gap that it leaves is filled with the next heaviest."""
    own.eligible[row] = eligible
    for h in range(own.rates.shape[0]):
        if eligible:
            if not own.listed[h, row] and own.scores[h, row] > 0.0:
                _enter(own, h, row)
        elif own.listed[h, row]:
            _leave(own, h, row)


@kernel_inner
def _leave(own, h, row):
    own.listed[h, row] = False
    best = -1
    for i in range(own.scores.shape[1]):
        waits = own.eligible[i] and not own.listed[h, i] and own.scores[h, i] > 0.0
        if waits and (best < 0 or own.scores[h, i] > own.scores[h, best]):
            best = i
    for at in range(own.top.shape[1]):
        if own.top[h, at] == row:
            own.top[h, at] = best
            break
    if best >= 0:
        own.listed[h, best] = True
    own.floor[h] = 0.0


@kernel
def clear(own, row):
    """Forget an item; the row is eligible again."""
    set_eligible(own, row, False)
    for h in range(own.rates.shape[0]):
        own.scores[h, row] = 0.0
        if h < N_LISTED:
            own.reach[h, row] = 0.0
        own.logs[row, h] = -np.inf
    own.eligible[row] = True


@kernel
def rank_of_row(own, h, row, left_out):
    """1-based rank of an item in the list, ties against it; 0 when it is not in it.

    left_out bool [items] stand above nobody.
    """
    if not own.listed[h, row]:
        return 0
    score = own.scores[h, row]
    rank = 1
    for at in range(own.top.shape[1]):
        held = own.top[h, at]
        if held >= 0 and held != row and own.scores[h, held] >= score and not left_out[held]:
            rank += 1
    return rank


@kernel_inner
def repeats(state, event, gap):
    """How often the event's user has had the item already, as far as the history knows.

    The longer the pause before the event, the less it counts, half for every `gap` seconds: who comes back another day
    counts like anybody else.
    """
    pause = max(event.ts - state.users.seen[event.user], 0.0)
    return histories.times_had(state.histories, event.user, event.code) * 0.5 ** (pause / gap)


@kernel_inner
def learn(state, query, rates, event):
    """One more event on the item."""
    n_repeats = repeats(state, event, rates.session_gap)
    observe(state.popularity, event.item, event.ts, event.weight, n_repeats)


@kernel_inner
def undo(state, query, rates, undone):
    """One event less on the item."""
    take_back(state.popularity, undone.item, undone.ts, undone.weight, undone.reach)


@kernel_inner
def evict_item(state, row):
    """Another item gets the row."""
    clear(state.popularity, row)


@kernel
def propose(state, query, rates):
    """The heaviest items at every half-life, and the newest."""
    own = state.popularity
    for h in range(own.rates.shape[0]):
        for at in range(own.top.shape[1]):
            row = own.top[h, at]
            if row >= 0:
                candidate(state, query, code_of(row, state.generation), NO_CODE, 1)
    for i in range(min(state.n_newest[0], state.newest.shape[0])):
        candidate(state, query, state.newest[i], NO_CODE, 1)


@kernel
def describe(state, query, rates):
    """How heavy every candidate is at each half-life, and how young."""
    now = state.clock[0]
    for c in range(query.n_candidates[0]):
        row = query.codes[c] & ROW_MASK
        for h in range(3):
            query.features[POPULAR_SHORT + h, c] = state.popularity.logs[row, h]
        age = max(now - state.first_seen[row], 0.0)
        half = rates.popularity.item_age_seconds
        query.features[YOUTH, c] = np.float32(half / (half + age))


def heaviest(
    scores: NDArray[np.float64], eligible: NDArray[np.bool_], n: int
) -> dict[str, NDArray[np.float64] | NDArray[np.int32] | NDArray[np.bool_]]:
    """The lists of the heaviest, made anew from the scores; of equal ones the lower row.

    Args:
        scores: [P, items].
        eligible: [items].
        n: items in a list, at most.

    Returns:
        `top`, `listed` and `floor` of `PopularityState`.
    """
    top = np.full((len(scores), n), -1, np.int32)
    listed = np.zeros(scores.shape, np.bool_)
    for p, row in enumerate(scores):
        found = np.argsort(-np.where(eligible, row, 0.0), kind="stable")[:n]
        found = found[eligible[found] & (row[found] > 0.0)]
        top[p, : len(found)] = found
        listed[p, found] = True
    return {"top": top, "listed": listed, "floor": np.zeros(len(scores), np.float64)}
