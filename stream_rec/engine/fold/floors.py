"""Floors: so many of a slate's first places, at least, for some items.

A place is owed to a floor when no fewer are left than it lacks: until then items earn their places by rank. So what a
floor gives stands as far down as it may, and costs as little as it can.
"""

from __future__ import annotations

import numpy as np

from stream_rec.engine.fold.places import is_placed, may_stand_at
from stream_rec.engine.fold.pool import may_stand
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of
from stream_rec.kernels.compile import kernel_inner
from stream_rec.kernels.ids import mix

BIT, PLACES, WITHIN, SLATES = 0, 1, 2, 3
"""Of Scene.floors."""


@kernel_inner
def _lacks(scene, masks, pool, floor, place):
    """Places that a floor lacks, by what is placed and pinned; and those that are left for it, from `place` on."""
    lacks, left = scene.floors[floor, PLACES], 0
    for at in range(min(scene.floors[floor, WITHIN], scene.k)):
        code = pool.codes_placed[at]
        if code != NO_CODE:
            lacks -= masks.promoted[code & ROW_MASK] >> scene.floors[floor, BIT] & 1
        elif at == place or scene.promotions[at] == 0:
            left += 1
    return max(lacks, 0), left


@kernel_inner
def owed(scene, masks, pool, place, slate, is_end):
    """The bit of the floor that has this place, or -1: those named first before others.

    Places with promotions do not count as left, and none are if nothing else may stand here (`is_end`). Which slates a
    floor is for, `slate` (the slate's seed) says.
    """
    lacking = 0
    for floor in range(scene.floors.shape[0]):
        drawn = np.int64(mix(slate + np.uint64(floor + 1) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(48))
        if place >= scene.floors[floor, WITHIN] or drawn >= scene.floors[floor, SLATES]:
            continue
        lacks, left = _lacks(scene, masks, pool, floor, place)
        lacking += lacks
        if lacks > 0 and (is_end or lacking >= left):
            return np.int64(scene.floors[floor, BIT])
    return np.int64(-1)


@kernel_inner
def first_listed(state, query, scene, masks, pool, at, bit, clicked):
    """The first of a floor's list that may stand at a place, as a code; NO_CODE = none."""
    for i in range(scene.floor_rows.shape[0]):
        row = scene.floor_rows[i, 1]
        code = code_of(row, state.generation)
        if scene.floor_rows[i, 0] != bit or state.items.lengths[row] < 0 or (at == 0 and code == clicked):
            continue
        if masks.promoted[row] >> bit & 1 == 0 or not may_stand(state, query, scene, masks, row):
            continue
        if (query.seen[row] and not scene.allow_seen) or is_placed(pool, scene.k, code):
            continue
        if may_stand_at(scene, masks, pool, at, row, True):
            return code
    return np.int32(NO_CODE)
