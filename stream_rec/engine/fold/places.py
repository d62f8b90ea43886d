"""Which places of a slate an item may take: caps, hides by slot, and what stands already."""

from __future__ import annotations

from stream_rec.kernels.codes import NO_CODE, ROW_MASK
from stream_rec.kernels.compile import kernel_inner

COLUMN, MOST, WINDOW, IS_HARD = 0, 1, 2, 3
"""Of Scene.caps."""


@kernel_inner
def n_with(masks, column, value, codes, first, last):
    """How many of codes[first:last] have the value."""
    n = 0
    for at in range(max(first, 0), last):
        if codes[at] == NO_CODE:
            continue
        row = codes[at] & ROW_MASK
        for j in range(masks.values.shape[2]):
            held = masks.values[column, row, j]
            if held == 0:
                break
            if held == value:
                n += 1
                break
    return n


@kernel_inner
def within_caps(scene, masks, pool, at, row, hard_only):
    """May the row stand at place `at`, after what is placed and before what is pinned behind it?"""
    for cap in range(scene.caps.shape[0]):
        if hard_only and scene.caps[cap, IS_HARD] == 0:
            continue
        column, most, window = scene.caps[cap, COLUMN], scene.caps[cap, MOST], scene.caps[cap, WINDOW]
        if window == 0:
            window = scene.k
        # No window that holds the place may have more. Without pins nothing stands behind it: the first one has most.
        start = max(0, at - window + 1)
        stop = at + 1 if scene.pins.shape[0] > 0 else start + 1
        for j in range(masks.values.shape[2]):
            value = masks.values[column, row, j]
            if value == 0:
                break
            for first in range(start, stop):
                last = min(first + window, scene.k)
                if n_with(masks, column, value, pool.codes_placed, first, last) >= most:
                    return False
    return True


@kernel_inner
def is_kept_out(scene, at, row):
    found = False
    for i in range(scene.kept_out.shape[0]):
        found |= scene.kept_out[i, 0] == at and scene.kept_out[i, 1] == row
    return found


@kernel_inner
def may_stand_at(scene, masks, pool, at, row, hard_only):
    return not is_kept_out(scene, at, row) and within_caps(scene, masks, pool, at, row, hard_only)


@kernel_inner
def is_placed(pool, k, code):
    found = False
    for at in range(k):
        found |= pool.codes_placed[at] == code
    return found
