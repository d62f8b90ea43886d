"""A slate under rules: from scored candidates to places. Reads the state, writes only the query and its outputs.

Place by place: a pin that may be shown stands where it is pinned; a promotion's place goes to the best item of it; the
last places that are left for a floor go to its best items; chance has its share; every other place goes to the best
item left in the lowest tier that has one which the caps and the slot allow, by maximal marginal relevance (Carbonell,
Goldstein, SIGIR 1998): lambda * relevance - (1 - lambda) * the greatest likeness to an item placed before, relevance
from 0 (the pool's least score) to 1 (its best).

One loop fills a place and hands on what it has found of the item, so its steps stand together and this file is long.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold import floors, judge, reject, rotate, slates
from stream_rec.engine.fold.chance import gather_chance, is_to_try, n_to_try, strike, tried
from stream_rec.engine.fold.places import is_kept_out, is_placed, may_stand_at
from stream_rec.engine.fold.pool import (
    BY_FACTORS,
    BY_NOTHING,
    EXPLORED,
    HAD_BEFORE,
    OWED,
    PINNED,
    PROMOTED,
    Scene,
    boost,
    enough,
    fill_pool,
    main_source,
    may_stand,
)
from stream_rec.engine.fold.rotate import Rotation
from stream_rec.kernels import candidates
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of
from stream_rec.kernels.compile import kernel_inner, kernel_unlocked
from stream_rec.kernels.ids import mix
from stream_rec.kernels.reference import lend
from stream_rec.sources import ratings

NOTHING, GATHERED, SCORED = 0, 1, 2
"""How far a query is before it is arranged: candidates and their features; their scores, too."""


class Marked(NamedTuple):
    """What slates under rules say besides `Slates`.

    Attributes:
        marks: uint8 [n, k], see engine.fold.pool.
        propensities: float32 [n, k], the chance with which the item came to stand there; 1 = chance had no say.
    """

    marks: NDArray[np.uint8]
    propensities: NDArray[np.float32]


@kernel_inner
def _alike(state, scene, one, other):
    """From 0 to 1: cosine in a vector space or of the factors, or Jaccard's index of the tags."""
    if scene.alike >= 0:
        vectors, dot = state.spaces.vectors[scene.alike], np.float32(0.0)
        for j in range(vectors.shape[1]):
            dot += vectors[one, j] * vectors[other, j]
        return max(dot, np.float32(0.0))
    if scene.alike == BY_NOTHING:
        return np.float32(0.0)
    if scene.alike == BY_FACTORS:
        dot, a, b = np.float32(0.0), np.float32(1e-12), np.float32(1e-12)
        for j in range(state.factors.items.shape[1]):
            x, y = state.factors.items[one, j], state.factors.items[other, j]
            dot += x * y
            a += x * x
            b += y * y
        return max(dot / np.sqrt(a * b), np.float32(0.0))
    n_one, n_other, n_both = 0, 0, 0
    tags = state.factors.tags
    for j in range(tags.shape[1]):
        n_other += tags[other, j] != 0
        if tags[one, j] == 0:
            continue
        n_one += 1
        for m in range(tags.shape[1]):
            if tags[other, m] == tags[one, j]:
                n_both += 1
                break
    union = n_one + n_other - n_both
    return np.float32(n_both / union) if union > 0 else np.float32(0.0)


@kernel_inner
def _candidate_of(pool, found):
    """The number among the candidates of what has a place in the pool; -1 = it is none, or has no place there."""
    return np.int64(pool.candidates[found]) if found >= 0 else np.int64(-1)


@kernel_inner
def _note_placed(state, query, scene, pool, n, code, found):
    """Nothing that stands already is placed again; what is like it counts less.

    `found` is its place in the pool, or -1.
    """
    strike(query, scene, pool, code, _candidate_of(pool, found))
    if found >= 0:
        pool.used[found] = True
    else:
        for at in range(n):
            pool.used[at] |= pool.codes[at] == code
    if scene.relevance < 1.0:
        for at in range(n):
            if not pool.used[at]:
                likeness = _alike(state, scene, pool.codes[at] & ROW_MASK, code & ROW_MASK)
                pool.alike[at] = max(pool.alike[at], likeness)


@kernel_inner
def _pick(scene, masks, pool, n, at, clicked, hard_only):
    """The pool's item for place `at`, or -1: of the lowest tier that has any, the best."""
    if scene.relevance < 1.0:
        return _pick_varied(scene, masks, pool, n, at, clicked, hard_only)
    for i in range(n):
        if pool.used[i] or (at == 0 and pool.codes[i] == clicked):
            continue
        if may_stand_at(scene, masks, pool, at, pool.codes[i] & ROW_MASK, hard_only):
            return i
    return -1


@kernel_inner
def _pick_varied(scene, masks, pool, n, at, clicked, hard_only):
    best, best_value = -1, -np.inf
    least = pool.scores[0]
    for i in range(n):
        if pool.marks[i] == pool.marks[0]:
            least = min(least, pool.scores[i])
    spread = max(pool.scores[0] - least, 1e-9) if n > 0 else 1.0
    for i in range(n):
        if best >= 0 and pool.marks[i] != pool.marks[best]:
            break
        if pool.used[i] or (at == 0 and pool.codes[i] == clicked):
            continue
        value = scene.relevance * (pool.scores[i] - least) / spread - (1.0 - scene.relevance) * pool.alike[i]
        if value > best_value and may_stand_at(scene, masks, pool, at, pool.codes[i] & ROW_MASK, hard_only):
            best, best_value = i, value
    return best


@kernel_inner
def _pick_of(state, query, scene, masks, pool, n, at, bit, clicked):
    """The item of a promotion or floor for place `at`, as a code: NO_CODE = none may stand there.

    The candidate with the best score; else the first of the pool; else, of a floor, the first of its list.
    """
    best = -1
    for c in range(query.n_candidates[0]):
        row = query.codes[c] & ROW_MASK
        if masks.promoted[row] >> bit & 1 == 0 or (at == 0 and query.codes[c] == clicked):
            continue
        if best >= 0 and query.scores[c] <= query.scores[best]:
            continue
        if not may_stand(state, query, scene, masks, row) or (query.seen[row] and not scene.allow_seen):
            continue
        if is_placed(pool, scene.k, query.codes[c]) or not may_stand_at(scene, masks, pool, at, row, True):
            continue
        best = c
    if best >= 0:
        return query.codes[best]
    for i in range(n):
        row = pool.codes[i] & ROW_MASK
        if (
            pool.used[i]
            or pool.marks[i] == HAD_BEFORE  # it may return by its own score alone
            or masks.promoted[row] >> bit & 1 == 0
            or (at == 0 and pool.codes[i] == clicked)
        ):
            continue
        if may_stand_at(scene, masks, pool, at, row, True):
            return pool.codes[i]
    return floors.first_listed(state, query, scene, masks, pool, at, bit, clicked)


@kernel_inner
def _write(query, source_of, pool, i, at, mark, found, out, marked):
    """Place `at` of slate i; `found` is its place in the pool, or -1."""
    code, c = pool.codes_placed[at], _candidate_of(pool, found)
    if c < 0 and query.n_candidates[0] > 0:
        c = np.int64(candidates.index_of(query, code))
    out.codes[i, at] = code
    out.sources[i, at] = main_source(query, source_of, c)
    out.scores[i, at] = query.scores[c] if c >= 0 else np.float32(0.0)
    out.because[i, at] = query.because[c] if c >= 0 and query.because[c] != code else NO_CODE
    out.only_index[i, at] = c >= 0 and query.found[c] == 0
    marked.marks[i, at] = mark


@kernel_inner
def _place_pins(state, query, scene, masks, pool, n):
    """Pinned items that may be shown stand in their slots, before anything else does."""
    for place in range(scene.k):
        pool.codes_placed[place] = NO_CODE
    for p in range(scene.pins.shape[0]):
        place, row = scene.pins[p, 0], scene.pins[p, 1]
        if place >= scene.k or state.items.lengths[row] < 0 or not may_stand(state, query, scene, masks, row):
            continue
        code = code_of(row, state.generation)
        if not is_placed(pool, scene.k, code) and not is_kept_out(scene, place, row):
            pool.codes_placed[place] = code
            _note_placed(state, query, scene, pool, n, code, -1)


@kernel_inner
def _choose(state, query, scene, masks, pool, n, place, clicked, slate, found):
    """What stands at a place without a pin: code, mark, propensity, and its place in the pool (-1 = none).

    `slate` is the slate's seed; `found` what `_pick` has found under all rules.
    """
    seed = slate + np.uint64(2 * place)
    promotion = np.int64(scene.promotions[place]) - 1
    if promotion >= 0:
        code = _pick_of(state, query, scene, masks, pool, n, place, promotion, clicked)
        if code != NO_CODE:
            return code, np.uint8(PROMOTED), np.float32(1.0), np.int64(-1)
    if found < 0:
        found = np.int64(_pick(scene, masks, pool, n, place, clicked, True))
    if found < 0 and place == 0:
        found = np.int64(_pick(scene, masks, pool, n, place, np.int32(NO_CODE), True))
    code = pool.codes[found] if found >= 0 else np.int32(NO_CODE)
    mark = pool.marks[found] if found >= 0 else np.uint8(0)
    owed = floors.owed(scene, masks, pool, place, slate, code == NO_CODE)
    if owed >= 0:
        if code == NO_CODE or masks.promoted[code & ROW_MASK] >> owed & 1 == 0:
            wanted = _pick_of(state, query, scene, masks, pool, n, place, owed, clicked)
            if wanted != NO_CODE:
                return wanted, np.uint8(OWED), np.float32(1.0), np.int64(-1)
        return code, mark, np.float32(1.0), found
    if scene.explores <= 0.0 or code == NO_CODE:
        return code, mark, np.float32(1.0), found
    n_tried = n_to_try(scene, masks, pool, place)
    if n_tried == 0:
        return code, mark, np.float32(1.0), found
    by_chance = np.float32(scene.explores / n_tried)
    dice = np.float64(mix(seed ^ np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(11)) * 2.0**-53
    if dice < scene.explores:
        by_dice = tried(scene, masks, pool, place, np.int64(mix(seed) % np.uint64(n_tried)))
        if by_dice != code:
            return by_dice, np.uint8(EXPLORED), by_chance, np.int64(-1)
    certain = np.float32(1.0 - scene.explores)
    is_among = is_to_try(query, scene, masks, pool, place, code, _candidate_of(pool, found))
    return code, mark, certain + by_chance if is_among else certain, found


@kernel_inner
def _refill(state, query, scene, masks, pool, i):
    """All that the pool has room for, when the first of it were not enough; how many."""
    n = fill_pool(state, query, scene, masks, pool, i, pool.codes.shape[0])
    for at in range(n):
        pool.used[at] = is_placed(pool, scene.k, pool.codes[at])
    return n


@kernel_inner
def _arrange(state, query, rates, scene, masks, pool, i, out, marked):
    """Slate i; its length. Where nothing may fill a place, the pins behind it move up, and there is the end."""
    most = enough(scene, pool)
    n = fill_pool(state, query, scene, masks, pool, i, most)
    clicked = query.past_codes[0] if query.n_past[0] > 0 and scene.ranks else np.int32(NO_CODE)
    pool.n_chance[:] = 0
    _place_pins(state, query, scene, masks, pool, n)
    gather_chance(state, query, scene, masks, pool)
    user = query.user[0]
    seed = mix(
        np.uint64(state.counters[0].n_learned) ^ (state.users.hashes[user] if user >= 0 else np.uint64(0))
    )
    for place in range(scene.k):
        code, mark = pool.codes_placed[place], np.uint8(PINNED)
        propensity, found = np.float32(1.0), np.int64(-1)
        if code == NO_CODE:
            found = np.int64(_pick(scene, masks, pool, n, place, clicked, False))
            if found < 0 and n == most and n < pool.codes.shape[0]:
                n = _refill(state, query, scene, masks, pool, i)
                found = np.int64(_pick(scene, masks, pool, n, place, clicked, False))
            code, mark, propensity, found = _choose(
                state, query, scene, masks, pool, n, place, clicked, seed, found
            )
            if code == NO_CODE:
                code, mark = _next_pin(scene, pool, place), np.uint8(PINNED)
            if code == NO_CODE:
                return place
            pool.codes_placed[place] = code
            _note_placed(state, query, scene, pool, n, code, found)
        _write(query, rates.source_of, pool, i, place, mark, found, out, marked)
        if found >= 0:
            out.scores[i, place] = pool.scores[found]
        marked.propensities[i, place] = propensity
    return scene.k


@kernel_inner
def _next_pin(scene, pool, place):
    """The first item that is pinned behind a place that nothing else may fill, and may stand there: it moves up."""
    for at in range(place + 1, scene.k):
        code = pool.codes_placed[at]
        if code != NO_CODE and not is_kept_out(scene, place, code & ROW_MASK):
            pool.codes_placed[at] = NO_CODE
            return code
    return np.int32(NO_CODE)


@kernel_inner
def _mark_user(state, query, scene, user_hash, mark):
    slates.mark_seen(state, query, scene.seen_types, mark)
    reject.mark_blocked(state, query, user_hash, mark)


@kernel_inner
def _allowing_seen(scene):
    """The scenario, but that the slate may hold what the user has had."""
    return Scene(
        scene.k,
        scene.number,
        scene.filters,
        scene.ranks,
        scene.by_rating,
        True,
        scene.seen_types,
        scene.only_catalogue,
        scene.only_connected,
        scene.strict,
        scene.max_age,
        scene.least,
        scene.returns,
        scene.relevance,
        scene.alike,
        scene.explores,
        scene.caps,
        scene.pins,
        scene.kept_out,
        scene.promotions,
        scene.floors,
        scene.floor_rows,
        scene.listed,
        scene.listed_marks,
        scene.listed_scores,
        scene.among,
        scene.own,
        scene.own_marks,
        scene.own_scores,
        scene.own_ends,
        Rotation(scene.rotation.factor, scene.rotation.after, scene.rotation.recovers),
    )


@kernel_inner
def _recommend(state, query, rates, asked, scene, masks, shown, ready, pool, out, marked):
    for i in range(asked.users.shape[0]):
        if ready == NOTHING:
            if scene.ranks:
                slates.gather_one(state, query, rates, asked, i)
            else:
                candidates.read_context(state, query, asked.users[i], False)
        if scene.ranks:
            if ready != SCORED:
                judge.score(state, query, rates)
            judge.compare_sources(query, rates.source_of)
            if scene.by_rating:
                ratings.score(state, query)
            if masks.boosts.shape[0] > 0:
                boost(query, masks)
        if scene.rotation.factor < 0.0 and query.user[0] >= 0:
            user = state.users.hashes[query.user[0]]
            rotate.gather(shown, user, state.clock[0], scene.rotation, pool.faded)
            if scene.ranks:
                rotate.fade_candidates(state, query, scene.rotation, pool.faded)
        _mark_user(state, query, scene, asked.hashes[i], True)
        filled = _arrange(state, query, rates, scene, masks, pool, i, out, marked)
        out.relaxed[i] = False
        if filled == 0 and not scene.strict and not scene.allow_seen:
            freed = lend(_allowing_seen(scene))
            filled = _arrange(state, query, rates, freed, masks, pool, i, out, marked)
            out.relaxed[i] = filled > 0
        _mark_user(state, query, scene, asked.hashes[i], False)
        out.lengths[i] = filled
        for at in range(filled):
            out.relaxed[i] |= marked.marks[i, at] == HAD_BEFORE
        out.codes[i, filled:] = NO_CODE


@kernel_unlocked
def recommend(handle, asked, scene, masks, shown, ready, pool, out, marked):
    """Fill `out` and `marked` for n user rows.

    Args:
        handle: state, read only; query.
        asked: slates.Asked.
        scene: pool.Scene.
        masks: pool.Masks.
        shown: kernels.attribution_state.AttributionState, a reference, read only: what users were shown.
        ready: what the query holds of the only user already: NOTHING (of any number of users), GATHERED, SCORED.
        pool: a reference, working memory.
        out: slates.Slates, written.
        marked: Marked, written.
    """
    state, query, rates = handle.state, handle.query, handle.rates
    asked, scene, masks = lend(asked), lend(scene), lend(masks)
    _recommend(state, query, rates, asked, scene, masks, shown, ready, pool, lend(out), lend(marked))
