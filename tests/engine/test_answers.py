"""Nothing of the answer reaches the query: whatever comes next, it is ranked in one and the same slate.

The same log is learned up to a point, and then every item in turn is what comes next. Each gets a rank from an engine
that holds the answer in its hands. If the answer has no part in it, all these ranks are places in one order, and that
order is the slate that was asked for before. If it has a part in it, places are missing or given twice. This is exact
and takes one query, where random clicks (test_no_leak.py) say it by statistics.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Judged
from stream_rec.schemas.columns import EventBatch, Span
from tests.engine.slow_fold import Leak, learn_one_by_one
from tests.engine.worlds import Row, engine

N_ITEMS = 16
USERS = ("u0", "u3", "stranger")
ROUNDING = 2e-4
"""Scores of slates are rounded to four decimals, and summed in another order."""


def a_log(seed: int, n: int = 150) -> list[Row]:
    rng = np.random.default_rng(seed)
    ts = 1.7e9 + np.cumsum(rng.choice([1.0, 60.0, 4000.0], n, p=[0.5, 0.4, 0.1]))
    items = (rng.random(n) ** 2 * N_ITEMS).astype(int)
    return [(f"u{rng.integers(6)}", f"i{item}", float(t)) for item, t in zip(items, ts, strict=True)]


def learned(log: list[Row]) -> Engine:
    """Every verdict trains the ranker: so a leak could come in by its weights, too."""
    e = engine(train_sample=1.0, index_refresh_events=16)
    e.learn(EventBatch.of(log))
    return e


def next_event(log: list[Row], user: str, item: str) -> EventBatch:
    n = len(log)
    return EventBatch.of([(user, item, log[-1][2] + 1.0)], span=Span("events", 0, 0, n, n + 1))


def verdicts(log: list[Row], user: str, leak: Leak | None = None) -> dict[str, Judged]:
    """What an engine says to each item that could come next; with a leak planted, the slow fold says it."""
    found = {}
    for item in dict.fromkeys(row[1] for row in log):
        e, event = learned(log), next_event(log, user, item)
        found[item] = (
            e.learn(event, judge_all=True).fresh if leak is None else learn_one_by_one(e, event, leak)
        )
    return found


def are_places_in_one_order(ranks: NDArray[np.int32]) -> bool:
    """For every rank r that was given, just r items have a rank up to r (ties share their last place); 0 = none."""
    found = ranks[ranks > 0]
    return all((found <= r).sum() == r for r in set(found.tolist()))


def judges(found: dict[str, Judged]) -> NDArray[np.int32]:
    """Ranks by everybody who ranks, int32 [items, 2 + sources]: the blend, popularity, each source alone."""
    return np.array([[j.rank[0], j.popularity[0], *j.rank_by_source[0]] for j in found.values()])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from(USERS))
def test_ranks_of_all_answers_are_places_in_one_order_whoever_ranks(seed: int, user: str) -> None:
    ranks = judges(verdicts(a_log(seed), user))
    assert all(are_places_in_one_order(column) for column in ranks.T)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from(USERS))
def test_that_order_is_the_slate_that_was_asked_for_before(seed: int, user: str) -> None:
    log = a_log(seed)
    # Who asks at once is in the session still; after a pause the judge begins a new one.
    log[-1] = (user, *log[-1][1:]) if user != "stranger" else log[-1]
    asked = learned(log).recommend([user], k=N_ITEMS)
    found = verdicts(log, user)
    scores = np.array(asked.scores[0])
    for item, score in zip(asked.items[0], asked.scores[0], strict=True):
        rank = int(found[item].rank[0])
        if rank > 0:
            assert 1 + (scores > score + ROUNDING).sum() <= rank <= (scores >= score - ROUNDING).sum()
    assert max(int(j.rank[0]) for j in found.values()) > 1


@pytest.mark.parametrize("leak", ["none", "counts", "all"])
@pytest.mark.parametrize("user", USERS)
def test_a_planted_leak_is_caught_in_a_single_query(leak: Leak, user: str) -> None:
    """One event learned before it is judged, or already before it is asked for."""
    ranks = judges(verdicts(a_log(3), user, leak))
    assert are_places_in_one_order(ranks[:, 0]) == (leak == "none")
