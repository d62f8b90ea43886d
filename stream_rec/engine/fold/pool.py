"""The pool that a slate under rules is arranged from: what may be shown and why, tier by tier, best first.

Tiers: what the logic ranks, then what the user has had (faded, if the scenario lets it return), then each fallback.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold import judge, reject
from stream_rec.engine.fold.best import keep, keeps, sort_kept
from stream_rec.engine.fold.rotate import Faded, Rotation, empty_faded, fade_listed
from stream_rec.engine.fold.shown import may_be_shown
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of
from stream_rec.kernels.compile import kernel_inner
from stream_rec.sources.features import number_of_source

POPULARITY = number_of_source("popularity")
RANKED, HAD_BEFORE, PINNED, PROMOTED, EXPLORED, OWED, FALLBACK = 0, 1, 2, 3, 4, 5, 8
"""Marks of a place: why it is there besides its rank. A fallback's number is added to FALLBACK."""
BY_TAGS, BY_FACTORS, BY_NOTHING = -1, -2, -3
"""Of Scene.alike."""


class Masks(NamedTuple):
    """What the rules of all scenarios say of items, by row.

    Attributes:
        bits: uint64 [items], bit s: may it be shown in scenario number s.
        evaluated: uint8 [items], generation of the item that the bits are of: of another they say nothing.
        boosts: float32 [items], ln of what multiplies its odds in this scenario; [0] = no boosts.
        values: int32 [columns, items, V], what caps count; 0 = none, behind the others.
        promoted: uint8 [items], bit p: of promotion p, or of a floor; [0] = there are none.
    """

    bits: NDArray[np.uint64]
    evaluated: NDArray[np.uint8]
    boosts: NDArray[np.float32]
    values: NDArray[np.int32]
    promoted: NDArray[np.uint8]


class Scene(NamedTuple):
    """A scenario as kernels read it; rows and slots from 0.

    Attributes:
        k: places.
        number: of the scenario, among the bits.
        filters: has it a filter, or hides items: do the bits count.
        ranks: do scores of candidates order the slate; else `listed` of tier RANKED does.
        by_rating: are the scores predicted ratings, and not the ranker's.
        allow_seen: may it hold items that the user has had.
        seen_types: bit set: by events of which types an item is had.
        only_catalogue: may it hold only items that the catalogue has.
        only_connected: may it hold only what a source found from an item of the user's.
        strict: rather fewer items than others.
        max_age: seconds since an item came, inf = any.
        least: ln of the least share of the best item's odds, -inf = none.
        returns: ln of the factor with which seen items return, -inf = they do not.
        relevance: lambda of maximal marginal relevance, 1 = relevance alone.
        alike: what makes items alike: the slot of a vector space, or BY_TAGS, BY_FACTORS, BY_NOTHING.
        explores: share of the places that chance fills.
        caps: int32 [c, 4], column, n, window (0 = the slate), is it hard.
        pins: int32 [p, 2], slot and row.
        kept_out: int32 [h, 2], slot and row that must not stand there.
        promotions: int8 [k], 1 + promotion that the slot belongs to, 0 = none.
        floors: int32 [f, 4], bit, places at least, among so many first ones, and of how many slates in 65,536.
        floor_rows: int32 [r, 2], bit and row: what floors have beside the candidates, floor by floor, best first.
        listed: int32 [m], rows that lists bring, tier by tier, best first.
        listed_marks: uint8 [m], their tiers.
        listed_scores: float32 [m].
        among: int32 [e], rows that chance chooses from; [0] = the candidates.
        own: int32 [o], rows that the users' own lists bring, user after user, tier by tier, best first.
        own_marks: uint8 [o], their tiers.
        own_scores: float32 [o].
        own_ends: int64 [n], where each user's end; [0] = users have no lists of their own.
        rotation: what was shown and not clicked fades.
    """

    k: int
    number: int
    filters: bool
    ranks: bool
    by_rating: bool
    allow_seen: bool
    seen_types: int
    only_catalogue: bool
    only_connected: bool
    strict: bool
    max_age: float
    least: float
    returns: float
    relevance: float
    alike: int
    explores: float
    caps: NDArray[np.int32]
    pins: NDArray[np.int32]
    kept_out: NDArray[np.int32]
    promotions: NDArray[np.int8]
    floors: NDArray[np.int32]
    floor_rows: NDArray[np.int32]
    listed: NDArray[np.int32]
    listed_marks: NDArray[np.uint8]
    listed_scores: NDArray[np.float32]
    among: NDArray[np.int32]
    own: NDArray[np.int32]
    own_marks: NDArray[np.uint8]
    own_scores: NDArray[np.float32]
    own_ends: NDArray[np.int64]
    rotation: Rotation


class Pool(NamedTuple):
    """Working memory: M items, the first n of them filled.

    Attributes:
        order: int32 [M], candidates.
        keys: float32 [M], their scores.
        codes: int32 [M].
        scores: float32 [M].
        candidates: int32 [M], -1 = no candidate.
        marks: uint8 [M], tiers, ascending.
        used: bool [M].
        alike: float32 [M], the greatest likeness to an item placed before.
        codes_placed: int32 [M], the codes in the places.
        chance: int32 [C], code of each item that chance chooses from (of all candidates: by their numbers); NO_CODE =
            it stands already, or may stand nowhere.
        n_chance: int64 [2], see engine.fold.chance.
        faded: what the user was shown.
    """

    order: NDArray[np.int32]
    keys: NDArray[np.float32]
    codes: NDArray[np.int32]
    scores: NDArray[np.float32]
    candidates: NDArray[np.int32]
    marks: NDArray[np.uint8]
    used: NDArray[np.bool_]
    alike: NDArray[np.float32]
    codes_placed: NDArray[np.int32]
    chance: NDArray[np.int32]
    n_chance: NDArray[np.int64]
    faded: Faded


def empty_pool(k: int, n_pins: int, n_chance: int) -> Pool:
    """Room for what a slate of k places is arranged from, and for so many items that chance chooses from."""
    n = max(64, 4 * k) + n_pins
    return Pool(
        order=np.zeros(n, np.int32),
        keys=np.zeros(n, np.float32),
        codes=np.zeros(n, np.int32),
        scores=np.zeros(n, np.float32),
        candidates=np.zeros(n, np.int32),
        marks=np.zeros(n, np.uint8),
        used=np.zeros(n, np.bool_),
        alike=np.zeros(n, np.float32),
        codes_placed=np.zeros(n, np.int32),
        chance=np.zeros(n_chance, np.int32),
        n_chance=np.zeros(2, np.int64),
        faded=empty_faded(),
    )


@kernel_inner
def may_stand(state, query, scene, masks, row):
    """May the item be shown to the user of this query, in this scenario, now? What the user has had is asked apart."""
    if reject.is_blocked(state, query, row):
        return False
    if scene.filters and (
        (masks.bits[row] >> np.uint64(scene.number)) & np.uint64(1) == np.uint64(0)
        or masks.evaluated[row] != state.generation[row]
    ):
        return False
    if not may_be_shown(state, row, scene.only_catalogue):
        return False
    return scene.max_age == np.inf or state.clock[0] - state.first_seen[row] <= scene.max_age


@kernel_inner
def boost(query, masks):
    """What multiplies odds is added to scores."""
    for c in range(query.n_candidates[0]):
        query.scores[c] += masks.boosts[query.codes[c] & ROW_MASK]


@kernel_inner
def _best(state, query, scene, masks, seen, pool, most):
    """The best candidates that may be shown and that the user has had, or has not, in pool.order; how many."""
    n, order, keys = 0, pool.order[:most], pool.keys[:most]
    for c in range(query.n_candidates[0]):
        if not keeps(keys, n, query.scores[c]):
            continue
        row = query.codes[c] & ROW_MASK
        if not may_stand(state, query, scene, masks, row) or (
            not scene.allow_seen and query.seen[row] != seen
        ):
            continue
        if scene.only_connected and query.because[c] == NO_CODE:
            continue
        n = keep(order, keys, n, c, query.scores[c])
    sort_kept(order, keys, n)
    return n


@kernel_inner
def _add_ranked(query, pool, n, n_found, mark, factor, least, most):
    """The candidates in pool.order, as far as they are relevant enough; how many the pool holds then."""
    for at in range(n_found):
        c = pool.order[at]
        if n == most or query.scores[c] < query.scores[pool.order[0]] + least:
            break
        pool.codes[n] = query.codes[c]
        pool.scores[n] = query.scores[c] + factor
        pool.candidates[n] = c
        pool.marks[n] = mark
        n += 1
    return n


@kernel_inner
def _holds(pool, n, code):
    found = False
    for at in range(n):
        found |= pool.codes[at] == code
    return found


@kernel_inner
def _add_listed(state, query, scene, masks, pool, n, i, fallbacks, most):
    """What lists bring user i, of the logic itself or of the fallbacks; how many the pool holds then.

    A tier has entries of the user's own list or of one for all.
    """
    at, own, own_end = 0, 0, 0
    if scene.own_ends.shape[0] > 0:
        own, own_end = scene.own_ends[i - 1] if i > 0 else 0, scene.own_ends[i]
    n_listed = scene.listed.shape[0]
    while at < n_listed or own < own_end:
        if n == most or (fallbacks and n >= 2 * scene.k + 8):
            break
        if at == n_listed or (own < own_end and scene.own_marks[own] <= scene.listed_marks[at]):
            row, mark, score = scene.own[own], scene.own_marks[own], scene.own_scores[own]
            own += 1
        else:
            row, mark, score = scene.listed[at], scene.listed_marks[at], scene.listed_scores[at]
            at += 1
        if (mark >= FALLBACK) != fallbacks:
            continue
        if state.items.lengths[row] < 0 or not may_stand(state, query, scene, masks, row):
            continue
        code = code_of(row, state.generation)
        if (query.seen[row] and not scene.allow_seen) or _holds(pool, n, code):
            continue
        pool.codes[n] = code
        pool.scores[n] = score if not fallbacks else np.float32(0.0)
        pool.candidates[n] = -1
        pool.marks[n] = mark
        n += 1
    return n


@kernel_inner
def enough(scene, pool):
    """So many items of a pool are enough at first: a place takes one, and the item clicked last may not lead.

    Rules that look at more than the best one get all there is room for.
    """
    room = pool.codes.shape[0]
    if scene.relevance < 1.0 or scene.rotation.factor < 0.0 or scene.floors.shape[0] > 0:
        return room
    for place in range(scene.k):
        if scene.promotions[place] > 0:
            return room
    picky = scene.caps.shape[0] > 0 or scene.kept_out.shape[0] > 0
    return min(2 * scene.k if picky else scene.k + 1, room)


@kernel_inner
def fill_pool(state, query, scene, masks, pool, i, most):
    """What the slate of user i may be made of, best first, `most` items of it at most; how many.

    More of them begin with fewer.
    """
    n = 0
    if scene.ranks:
        found = _best(state, query, scene, masks, False, pool, most)
        n = _add_ranked(query, pool, n, found, RANKED, np.float32(0.0), scene.least, most)
    else:
        n = _add_listed(state, query, scene, masks, pool, n, i, False, most)
    if n < scene.k and scene.returns > -np.inf and not scene.allow_seen:
        found = _best(state, query, scene, masks, True, pool, most)
        n = _add_ranked(query, pool, n, found, HAD_BEFORE, np.float32(scene.returns), -np.inf, most)
    if n < most and not scene.strict and scene.least == -np.inf:
        n = _add_listed(state, query, scene, masks, pool, n, i, True, most)
    if scene.rotation.factor < 0.0 and query.user[0] >= 0:
        fade_listed(state, scene.rotation, pool.faded, pool, 0, n)
    for at in range(n):
        pool.used[at] = False
        pool.alike[at] = np.float32(0.0)
    return n


@kernel_inner
def main_source(query, source_of, c):
    """The source that lifts candidate c most (`judge.main_source`)."""
    if c < 0:
        return POPULARITY
    return judge.main_source(query, source_of, c)
