"""Decayed counts, recounted from all events."""

from __future__ import annotations

import math

Event = tuple[int, float, float]
"""Row, ts, weight."""


def decayed_count(events: list[Event], row: int, rate: float, now: float) -> float:
    """Sum of weight * exp(-rate * age) over an item's events."""
    return sum(weight * math.exp(-rate * (now - ts)) for held, ts, weight in events if held == row)


def heaviest(scores: list[float], eligible: list[bool], n: int) -> list[float]:
    """The n largest positive scores of eligible items."""
    return sorted((s for s, e in zip(scores, eligible, strict=True) if e and s > 0), reverse=True)[:n]


def rank(scores: list[float], eligible: list[bool], n: int, row: int) -> int:
    """1-based among the n heaviest eligible, ties against it; 0 = not one of them."""
    top = heaviest(scores, eligible, n)
    if not eligible[row] or scores[row] not in top:
        return 0
    return sum(score >= scores[row] for score in top)
