"""What an evaluation comes to, in one sentence: is the blend better than what is popular, and than its best source?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PARTS = 30
"""Equal parts of the stream; their means say how far a difference may be off, since neighbouring queries are alike."""
QUANTILE = 2.756
"""Student's t with PARTS - 1 degrees of freedom, two-sided 99 %."""
LEAST_QUERIES = 2 * PARTS


@dataclass(frozen=True, slots=True)
class Gap:
    """How much oftener the blend hits than another judge does, on the same queries.

    Attributes:
        judge: the other one.
        hit_rate: of the other one.
        difference: the blend's hit-rate minus that.
        margin: the true difference is within so much of it in 99 % of cases; nan = there are too few queries.
    """

    judge: str
    hit_rate: float
    difference: float
    margin: float

    @property
    def word(self) -> str:
        """`better`, `worse` or `unclear`: zero is within the margin."""
        if math.isnan(self.margin) or abs(self.difference) <= self.margin:
            return "unclear"
        return "better" if self.difference > 0 else "worse"

    def __str__(self) -> str:
        margin = "" if math.isnan(self.margin) else f" +- {100 * self.margin:.2f}"
        return f"{self.judge} ({100 * self.hit_rate:.2f} %, {100 * self.difference:+.2f}{margin})"


def gap(ranks: NDArray[np.int32], judge: int, name: str, k: int) -> Gap:
    """Between the blend and another judge.

    Args:
        ranks: int32 [q, j], the blend's first; 0 = miss.
        judge: column of the other one.
        name: its name.
        k: cut-off.
    """
    hits = (ranks > 0) & (ranks <= k)
    differences = hits[:, 0].astype(np.float64) - hits[:, judge]
    margin = math.nan
    if len(differences) >= LEAST_QUERIES:
        parts = [part.mean() for part in np.array_split(differences, PARTS)]
        margin = QUANTILE * float(np.std(parts, ddof=1)) / math.sqrt(PARTS)
    return Gap(name, float(hits[:, judge].mean()), float(differences.mean()), margin)


def sentence(popular: Gap, source: Gap, hit_rate: float, n_queries: int, k: int) -> str:
    """The verdict.

    Args:
        popular: to what is popular for everybody.
        source: to the best single source.
        hit_rate: of the blend.
        n_queries: asked.
        k: cut-off.
    """
    head = f"the blend hits {100 * hit_rate:.2f} % of {n_queries:,} queries at {k}: "
    if n_queries < LEAST_QUERIES:
        return f"{head}too few to tell whether it beats {popular} or its best source, {source}."
    words = {
        "better": "better than {}",
        "worse": "worse than {}",
        "unclear": "the log is too short to tell it from {}",
    }
    over_popular = words[popular.word].format(f"what is popular: {popular}")
    return f"{head}{over_popular}; {words[source.word].format(f'its best source: {source}')}."
