"""What a fit would have shown users after its last event, beside what they took then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.batch.order import MIXES, Mix, mixed, standardised, users_at_a_time


class Asked(NamedTuple):
    """Users who took something after the split that they had not had before it.

    Attributes:
        factors: of the users, float32 [n, rank].
        had: of each, places of the items before the split.
        wanted: of each, places of the others after it.
        first: of these the first, int64 [n].
        moment: the last moment of popularity before that, int64 [n].
    """

    factors: NDArray[np.float32]
    had: Sequence[NDArray[np.int64]]
    wanted: Sequence[NDArray[np.int64]]
    first: NDArray[np.int64]
    moment: NDArray[np.int64]


def ranking(asked: Asked, item_factors: NDArray[np.float32], k: int) -> dict[str, float]:
    """Hit-rate and recall of what was wanted among the first k of ALS, and how many of the items anybody is shown."""
    n = len(asked.first)
    if not n:
        return {"ranked_users": 0}
    hits = recall = 0.0
    shown = np.zeros(len(item_factors), np.bool_)
    for rows, scores in _blocks(asked, item_factors, np.arange(n)):
        _hide_had(scores, asked, rows)
        for row, own in zip(rows, scores, strict=True):
            first = np.argsort(-own, kind="stable")[:k]
            shown[first] = True
            found = int(np.isin(asked.wanted[row], first).sum())
            hits += found > 0
            recall += found / len(asked.wanted[row])
    return {
        f"hit_rate_at_{k}": hits / n,
        f"recall_at_{k}": recall / n,
        f"coverage_at_{k}": float(shown.mean()),
        "ranked_users": n,
    }


def first_hit_rates(
    asked: Asked, item_factors: NDArray[np.float32], popular: NDArray[np.float32], k: int
) -> dict[Mix, float]:
    """Share of users whose first item is among the first k of each mix; equal scores count against it.

    Popularity is told as of the last moment before the user came, since slates are renewed; ALS as of the split.

    Args:
        asked: who; nobody is answered by nothing.
        item_factors: float32 [n, rank].
        popular: standardised, [moments, half-lives, n].
        k: length of a slate.
    """
    hits = dict.fromkeys(MIXES, 0)
    for moment, of_moment in enumerate(popular):
        for rows, scores in _blocks(asked, item_factors, np.flatnonzero(asked.moment == moment)):
            of_als = standardised(scores)
            for mix, at in MIXES.items():
                found = mixed(of_als.copy(), of_moment[at], mix.als)
                _hide_had(found, asked, rows)
                own = np.take_along_axis(found, asked.first[rows][:, None], axis=1)
                hits[mix] += int(((found >= own).sum(axis=1) <= k).sum())
    n = len(asked.first)
    return {mix: of / n for mix, of in hits.items()} if n else {}


def _blocks(
    asked: Asked, item_factors: NDArray[np.float32], rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Some of these users at a time, and the scores of all items for them."""
    n = users_at_a_time(len(item_factors))
    for start in range(0, len(rows), n):
        some = rows[start : start + n]
        yield some, asked.factors[some] @ item_factors.T


def _hide_had(scores: NDArray[np.float32], asked: Asked, rows: NDArray[np.int64]) -> None:
    for own, row in zip(scores, rows, strict=True):
        own[asked.had[row]] = -np.inf
