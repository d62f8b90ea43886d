"""Counts by exposure: what would be counted of the catalogue's items if they had always been there.

A decayed count with half-life H of an item that came `age` ago can have reached 1 - 2^(-age / H) of its level. Without
that all that is new looks unpopular and unlike everything for weeks, whatever people do with it. So the ranker reads
counts by that share: popularity and transitions divided by it, cosines, whose counts stand under a root in the
denominator, by its root. And the rows of what was always there have no room for a newcomer, whose few users are lost
among thousands: its cosine with the user's history is taken from its own row as well.

It is part of vector spaces (`sources.vectors`): only the catalogue says when an item came, and without one nothing of
this is done.
Source: the bias correction of a decayed mean, Kingma and Ba, "Adam", ICLR 2015, section 3.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.codes import ROW_MASK
from stream_rec.kernels.compile import kernel_inner
from stream_rec.kernels.normalise import greatest
from stream_rec.sources import item_neighbours
from stream_rec.sources.features import number_of, number_of_source

POPULARITY, ITEM_NEIGHBOURS = number_of_source("popularity"), number_of_source("item_neighbours")
POPULAR_SHORT = number_of("popular_short")
COUNTS = np.array([number_of(name) for name in ("next", "next_older", "later", "back")])
"""Features that are proportional to counts."""
COSINES = np.array([number_of(name) for name in ("cosine", "hop")])
"""To their roots."""
LEAST_EXPOSURE = 0.05
"""Added to the share of its level that a count can have reached: no count is taken for more than 21 times itself."""
LEAST_MISSING = 1e-4
"""Of a level: what is missing less than that is as good as there."""
YOUNG = 0.1
"""Of the level at the longest half-life: of whom so much is missing, its own row is read."""
FEW_USERS = 64.0
"""But for items with more: rows of others have room for them."""


@kernel_inner
def correct(state, query, rates):
    """Raise what is counted of young candidates: before normalisation, and no list above its heaviest."""
    if rates.heard[POPULARITY]:
        _levels(state, query)
    if rates.heard[ITEM_NEIGHBOURS]:
        _from_own_rows(state, query, rates)
    _lists(state, query)


@kernel_inner
def _missing(state, row, h):
    """Of its level, what a count at half-life number h cannot have reached since its item came; 0 = who knows."""
    if not state.in_catalogue[row]:
        return 0.0
    return np.exp(-state.popularity.rates[h] * max(state.clock[0] - state.first_seen[row], 0.0))


@kernel_inner
def _lift(missing):
    """What a count is multiplied by."""
    return (1.0 + LEAST_EXPOSURE) / (1.0 - missing + LEAST_EXPOSURE)


@kernel_inner
def _levels(state, query):
    for c in range(query.n_candidates[0]):
        for h in range(state.popularity.rates.shape[0]):
            missing = _missing(state, query.codes[c] & ROW_MASK, h)
            if missing > LEAST_MISSING:
                query.features[POPULAR_SHORT + h, c] += np.float32(np.log(_lift(missing)))


@kernel_inner
def _from_own_rows(state, query, rates):
    longest, users = state.popularity.rates.shape[0] - 1, state.item_neighbours.degree
    item_neighbours.mark_history(state, query, rates, True)
    for c in range(query.n_candidates[0]):
        row = query.codes[c] & ROW_MASK
        if 0.0 < users[row] <= FEW_USERS and _missing(state, row, longest) >= YOUNG:
            item_neighbours.from_own_row(state, query, rates, c)
    item_neighbours.mark_history(state, query, rates, False)


@kernel_inner
def _lists(state, query):
    longest, heaviest = state.popularity.rates.shape[0] - 1, query.spaces.heaviest
    for j in range(query.spaces.heaviest.shape[0]):
        heaviest[j] = greatest(query.features[j], query.n_candidates[0])
    for c in range(query.n_candidates[0]):
        missing = _missing(state, query.codes[c] & ROW_MASK, longest)
        if missing <= LEAST_MISSING:
            continue
        lift = np.float32(_lift(missing))
        for j in COUNTS:
            query.features[j, c] = min(lift * query.features[j, c], heaviest[j])
        for j in COSINES:
            query.features[j, c] = min(np.sqrt(lift) * query.features[j, c], heaviest[j])
