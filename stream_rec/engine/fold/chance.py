"""Chance has its share of a slate's places: what it chooses from, and with which probability."""

from __future__ import annotations

import numpy as np

from stream_rec.engine.fold.places import is_placed, may_stand_at
from stream_rec.engine.fold.pool import may_stand
from stream_rec.kernels import candidates
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of
from stream_rec.kernels.compile import kernel
from stream_rec.kernels.ids import mix


@kernel
def _chance_code(state, query, scene, j):
    """The j-th item that chance chooses from."""
    if scene.among.shape[0] == 0:
        return query.codes[j]
    return code_of(scene.among[j], state.generation)


@kernel
def _may_be_tried(state, query, scene, masks, pool, at, code):
    row = code & ROW_MASK
    if state.items.lengths[row] < 0 or not may_stand(state, query, scene, masks, row):
        return False
    if (query.seen[row] and not scene.allow_seen) or is_placed(pool, scene.k, code):
        return False
    return may_stand_at(scene, masks, pool, at, row, True)


@kernel
def try_chance(state, query, scene, masks, pool, at, seed):
    """What chance puts at a place, each item that may stand there alike; NO_CODE = there is none. And how many."""
    n_all = scene.among.shape[0] if scene.among.shape[0] > 0 else query.n_candidates[0]
    n = 0
    for j in range(n_all):
        n += _may_be_tried(state, query, scene, masks, pool, at, _chance_code(state, query, scene, j))
    if n == 0:
        return np.int32(NO_CODE), 0
    wanted = np.int64(mix(seed) % np.uint64(n))
    for j in range(n_all):
        code = _chance_code(state, query, scene, j)
        if _may_be_tried(state, query, scene, masks, pool, at, code):
            if wanted == 0:
                return code, n
            wanted -= 1
    return np.int32(NO_CODE), 0


@kernel
def chance_knows(query, scene, code):
    """Does chance choose from the item, too?"""
    if scene.among.shape[0] == 0:
        return candidates.index_of(query, code) >= 0
    found = False
    for j in range(scene.among.shape[0]):
        found |= scene.among[j] == code & ROW_MASK
    return found
