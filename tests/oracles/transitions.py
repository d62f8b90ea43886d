"""Transitions, recounted from all events."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import NamedTuple

import numpy as np

STEPS = 5

Pairs = dict[tuple[int, int], np.float32]


class Arrival(NamedTuple):
    """An event on `item` after the session's distinct items so far, newest first."""

    recent: list[int]
    item: int
    ts: float
    weight: float


def recount(arrivals: list[Arrival], rate: float, now: float) -> tuple[Pairs, Pairs, Pairs]:
    """Decayed counts (before, after) at distance 1, at distances 2 .. STEPS by 1 / distance, and (after, before)."""
    directly: Pairs = defaultdict(np.float32)
    later: Pairs = defaultdict(np.float32)
    back: Pairs = defaultdict(np.float32)
    for a in arrivals:
        w = np.float32(a.weight * math.exp(-rate * (now - a.ts)))
        for distance, before in enumerate(a.recent[:STEPS], 1):
            if before == a.item:
                continue
            if distance == 1:
                directly[before, a.item] += w
                back[a.item, before] += w
            else:
                later[before, a.item] += w / np.float32(distance)
    return directly, later, back
