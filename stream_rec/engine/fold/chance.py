"""Chance has its share of a slate's places: what it chooses from, and with which probability."""

from __future__ import annotations

import numpy as np

from stream_rec.engine.fold.places import is_placed, may_stand_at
from stream_rec.engine.fold.pool import may_stand
from stream_rec.kernels import candidates
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of
from stream_rec.kernels.compile import kernel_inner

LISTED, LEFT = 0, 1
"""Of Pool.n_chance: entries of Pool.chance, and those of them that are not NO_CODE."""


@kernel_inner
def gather_chance(state, query, scene, masks, pool):
    """What chance may put somewhere, into the pool: once for a slate, when its pins stand."""
    of_candidates = scene.among.shape[0] == 0
    n_all = query.n_candidates[0] if of_candidates else scene.among.shape[0]
    if scene.explores <= 0.0:
        n_all = 0
    n = 0
    for j in range(n_all):
        code = query.codes[j] if of_candidates else code_of(scene.among[j], state.generation)
        row = code & ROW_MASK
        is_left = (
            (scene.allow_seen or not query.seen[row])
            and (of_candidates or state.items.lengths[row] >= 0)
            and may_stand(state, query, scene, masks, row)
            and not (scene.pins.shape[0] > 0 and is_placed(pool, scene.k, code))
        )
        pool.chance[j] = code if is_left else NO_CODE
        n += is_left
    pool.n_chance[LISTED] = n_all
    pool.n_chance[LEFT] = n


@kernel_inner
def _place_of(query, scene, pool, code, c):
    """Where chance's choice has an item that stands nowhere yet; -1 = it has not. `c` as `strike` has it."""
    if pool.n_chance[LISTED] == 0:
        return np.int64(-1)
    if scene.among.shape[0] == 0:
        j = np.int64(c if c >= 0 else candidates.index_of(query, code))
        return j if j >= 0 and pool.chance[j] == code else np.int64(-1)
    for j in range(pool.n_chance[LISTED]):
        if pool.chance[j] == code:
            return np.int64(j)
    return np.int64(-1)


@kernel_inner
def strike(query, scene, pool, code, c):
    """What stands is not tried again. `c` is its number among the candidates; -1 = that is not known, or it is none."""
    j = _place_of(query, scene, pool, code, c)
    if j >= 0:
        pool.chance[j] = NO_CODE
        pool.n_chance[LEFT] -= 1


@kernel_inner
def _may_be_tried(scene, masks, pool, at, code):
    return code != NO_CODE and may_stand_at(scene, masks, pool, at, code & ROW_MASK, True)


@kernel_inner
def n_to_try(scene, masks, pool, at):
    """How many items chance may put at a place."""
    if scene.caps.shape[0] == 0 and scene.kept_out.shape[0] == 0:
        return pool.n_chance[LEFT]
    n = np.int64(0)
    for j in range(pool.n_chance[LISTED]):
        n += _may_be_tried(scene, masks, pool, at, pool.chance[j])
    return n


@kernel_inner
def tried(scene, masks, pool, at, which):
    """That item of those that chance may put at a place."""
    for j in range(pool.n_chance[LISTED]):
        if _may_be_tried(scene, masks, pool, at, pool.chance[j]):
            if which == 0:
                return pool.chance[j]
            which -= 1
    return np.int32(NO_CODE)


@kernel_inner
def is_to_try(query, scene, masks, pool, at, code, c):
    """Is the item among those that chance may put at a place? `c` as `strike` has it."""
    return _place_of(query, scene, pool, code, c) >= 0 and _may_be_tried(scene, masks, pool, at, code)
