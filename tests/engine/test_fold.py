"""Learning is a fold over single records: how a log is cut into batches changes nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stream_rec.engine.engine import Engine
from stream_rec.engine.learning.event_clock import EventClock
from stream_rec.engine.state.digest import digest
from stream_rec.kernels.ids import hash_ids
from tests.engine.slow_fold import learn_one_by_one
from tests.engine.worlds import Record, answers, engine, event_batch, learn, random_log

USERS = [f"u{n}" for n in range(40)]
N = 250


def crowded() -> Engine:
    """So small that users and items are evicted, the index is refreshed often, and most events are judged."""
    return engine(
        max_users=24,
        max_items=20,
        index_refresh_events=16,
        exact_below_items=8,
        train_sample=0.5,
        train_first=60,
    )


def a_log(seed: int, n: int = N) -> list[Record]:
    return random_log(seed, n, users=40, items=60)


def assert_same(a: Engine, b: Engine) -> None:
    assert a.digest() == b.digest()
    assert a.position == b.position
    assert a.stats() == b.stats()
    assert answers(a, USERS) == answers(b, USERS)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 32), cuts=st.sets(st.integers(1, N - 1), max_size=30))
def test_a_log_in_any_split_teaches_the_same(seed: int, cuts: set[int]) -> None:
    log = a_log(seed)
    whole, split = crowded(), crowded()
    learn(whole, log)
    for a, b in itertools.pairwise([0, *sorted(cuts), N]):
        learn(split, log[a:b])
        split.recommend(USERS[:3])
    assert whole.stats()["evicted_items"] > 0
    assert whole.stats()["evicted_users"] > 0
    assert_same(whole, split)


@pytest.mark.parametrize("refresh", [1, 7, 64])
def test_single_records_teach_what_a_batch_of_one_partition_does(refresh: int) -> None:
    log = random_log(11, 700, users=40, items=60, partitions=1)
    whole, single = (engine(index_refresh_events=refresh, train_sample=0.5) for _ in range(2))
    learn(whole, log)
    for record in log:
        learn(single, [record])
    assert_same(whole, single)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_judging_every_event_changes_nothing_that_is_learned(seed: int) -> None:
    log = a_log(seed)
    sampled, all_of_them = crowded(), crowded()
    learn(sampled, log)
    learn(all_of_them, log, judge_all=True)
    assert_same(sampled, all_of_them)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1 << 32), sample=st.sampled_from([0.0, 0.2, 1.0]))
def test_it_equals_asking_judging_and_learning_one_event_at_a_time(seed: int, sample: float) -> None:
    """With working memory that is new for each event, so nothing can be carried over in it."""
    log = [r for r in random_log(seed, 200, users=20, items=40, partitions=1) if r.topic == "events"]
    batch = event_batch(log)
    believed, back = EventClock().judge(batch.ts, hash_ids(batch.users), 0)
    assume(not back and (believed == batch.ts).all())  # the slow one has no clock
    fast, slow = (
        engine(max_items=24, index_refresh_events=16, train_sample=sample, train_first=50) for _ in range(2)
    )
    judged = fast.learn(batch, judge_all=True).fresh
    expected = learn_one_by_one(slow, batch)
    assert digest(fast.state, {}) == digest(slow.state, {})
    for field in ("at", "rank", "rank_by_source", "popularity", "only_index"):
        np.testing.assert_array_equal(getattr(judged, field), getattr(expected, field), err_msg=field)


def test_verdicts_do_not_depend_on_the_split_either() -> None:
    log = [r for r in random_log(4, 400, users=20, items=40, partitions=1) if r.topic == "events"]
    whole, split = engine(train_first=20), engine(train_first=20)
    expected = whole.learn(event_batch(log)).fresh
    ranks, at = [], []
    for a, b in itertools.pairwise([0, 1, 2, 50, 51, 200, len(log)]):
        judged = split.learn(event_batch(log[a:b])).fresh
        ranks += judged.rank.tolist()
        at += (judged.at + a).tolist()
    assert (at, ranks) == (expected.at.tolist(), expected.rank.tolist())
    assert 0.25 < len(at) / len(log) < 0.5, "the sample is not the set share of events"


@pytest.mark.parametrize(("seed", "train_first"), [(4, 0), (3, 3000)])
def test_river_models_are_part_of_the_fold(seed: int, train_first: int) -> None:
    """In the second log, evictions empty a vector space: its slot is freed just before an event is judged."""
    log = random_log(seed, 400, users=40, items=60, partitions=1)
    arms = [
        engine(max_items=20, train_sample=0.5, train_first=train_first, river_sources=("BiasedMF",))
        for _ in range(3)
    ]
    learn(arms[0], log)
    learn(arms[1], log, judge_all=True)
    for record in log:
        learn(arms[2], [record])
    assert_same(arms[0], arms[1])
    assert_same(arms[0], arms[2])


def test_other_events_teach_something_else() -> None:
    log = a_log(5)
    a, b = crowded(), crowded()
    learn(a, log)
    learn(b, log[:-1])
    assert a.digest() != b.digest()
