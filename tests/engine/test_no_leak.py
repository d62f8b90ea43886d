"""A verdict knows nothing of the event it judges: on random clicks nobody can do better than chance.

Users, items and times below are drawn independently, so every item is as likely to come next as any other. Whoever
ranks the next item first far more often than chance has seen it.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import EventBatch
from tests.engine.slow_fold import Leak, learn_one_by_one
from tests.engine.worlds import engine

N_ITEMS, N_EVENTS = 100, 1500


def random_clicks(seed: int) -> EventBatch:
    rng = np.random.default_rng(seed)
    ts = np.cumsum(rng.exponential(60.0, N_EVENTS))
    users, items = rng.integers(30, size=N_EVENTS), rng.integers(N_ITEMS, size=N_EVENTS)
    return EventBatch.of([(f"u{u}", f"i{i}", float(t)) for u, i, t in zip(users, items, ts, strict=True)])


def beats_chance(ranks: NDArray[np.int32], top: int = 1) -> bool:
    """Are more of the judged events among the first `top` than five standard deviations above chance?"""
    n, p = len(ranks), top / N_ITEMS
    return int(((ranks > 0) & (ranks <= top)).sum()) > n * p + 5 * math.sqrt(n * p * (1 - p))


def a_learner() -> Engine:
    return engine(max_items=128, train_sample=1.0, index_refresh_events=64)


@cache
def ranks_of(seed: int) -> NDArray[np.int32]:
    """The engine's verdicts on random clicks."""
    return a_learner().learn(random_clicks(seed), judge_all=True).fresh.rank


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("top", [1, 10])
def test_on_random_clicks_the_engine_does_no_better_than_chance(seed: int, top: int) -> None:
    assert len(ranks_of(seed)) == N_EVENTS
    assert not beats_chance(ranks_of(seed), top)


def test_nor_does_any_source_alone_nor_popularity() -> None:
    e = a_learner()
    judged = e.learn(random_clicks(3), judge_all=True).fresh
    for source, name in enumerate(e.sources):
        assert not beats_chance(judged.rank_by_source[:, source]), name
        assert not beats_chance(judged.rank_by_source[:, source], 10), name
    assert not beats_chance(judged.popularity)


@pytest.mark.parametrize(("leak", "caught"), [("none", False), ("counts", True), ("all", True)])
def test_a_planted_leak_is_caught_by_the_same_measure(leak: Leak, caught: bool) -> None:
    judged = learn_one_by_one(a_learner(), random_clicks(1), leak)
    assert beats_chance(judged.rank) == caught


def test_what_can_be_known_is_known() -> None:
    """The other side: where the next item follows from the last one, it is ranked first nearly always."""
    ring = [(f"u{n % 7}", f"i{n // 7 % 12}", float(n)) for n in range(1500)]
    judged = a_learner().learn(EventBatch.of(ring), judge_all=True).fresh
    assert np.mean(judged.rank[-500:] == 1) > 0.95


def test_an_item_never_seen_before_is_a_miss() -> None:
    e = a_learner()
    judged = e.learn(
        EventBatch.of([(f"u{n % 5}", f"new{n}", float(n)) for n in range(120)]), judge_all=True
    ).fresh
    assert not judged.rank.any()
    assert not judged.rank_by_source.any()
    assert not judged.popularity.any()
