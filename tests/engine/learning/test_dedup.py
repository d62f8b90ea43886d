"""What a producer sends twice is learned once: repeats of an event_id inside the window of its partition."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from structlog.testing import capture_logs

from stream_rec.engine.engine import Engine
from stream_rec.engine.learning.dedup import Deduplication, event_keys
from stream_rec.engine.state.memory import accounted
from stream_rec.errors import ConfigError
from stream_rec.kernels import dedup as kernels
from stream_rec.kernels.dedup import DedupWindow
from stream_rec.schemas.columns import EventBatch, IdColumn, Span
from stream_rec.schemas.records import Impression
from tests.engine.worlds import Record, engine, impression_batch
from tests.oracles.dedup import SlowRepeats

N = 120


def batch(ids: list[str], start: int = 0, partition: int = 0) -> EventBatch:
    """An id says which item it is: it alone decides whether an event is a repeat."""
    at = range(start, start + len(ids))
    return EventBatch.of(
        [(f"u{n % 7}", item(name, n), 1e9 + 40.0 * n) for n, name in zip(at, ids, strict=True)],
        span=Span("events", partition, 0, start, start + len(ids)),
        event_ids=ids,
    )


def item(name: str, n: int) -> str:
    return f"i{sum(name.encode()) % 11 if name else n * n % 11}"


def keys(ids: list[str]) -> NDArray[np.uint64]:
    return event_keys(batch(ids))


def random_ids(seed: int, n: int, names: int) -> list[str]:
    return [f"e{k}" if k else "" for k in np.random.default_rng(seed).integers(names, size=n).tolist()]


def slow_repeats(ids: list[str], window: int) -> list[int]:
    slow = SlowRepeats(window)
    return [n for n, name in enumerate(ids) if slow.is_repeat(name)]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    window=st.sampled_from([1, 2, 3, 7, 8, 64]),
    names=st.sampled_from([2, 5, 20, 200]),
    cuts=st.sets(st.integers(1, N - 1), max_size=10),
)
def test_it_finds_what_a_deque_and_a_set_find(seed: int, window: int, names: int, cuts: set[int]) -> None:
    ids = random_ids(seed, N, names)
    fast, found = Deduplication(window, 1), []
    for a, b in itertools.pairwise([0, *sorted(cuts), N]):
        found += (fast.mark(0, keys(ids[a:b]), 0) + a).tolist()
    assert found == slow_repeats(ids, window)
    assert fast.n_ids() <= window


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32), n_hashes=st.sampled_from([3, 9, 40]))
def test_hashes_that_share_their_slots_are_told_apart_and_taken_out_again(seed: int, n_hashes: int) -> None:
    """Every hash wants one of three slots, so that clusters grow, run over the table's end, and shrink."""
    picks = np.random.default_rng(seed).integers(n_hashes, size=300)
    hashes = (picks // 3 << 4 | 13 + picks % 3).astype(np.uint64) + np.uint64(16)
    window = DedupWindow(np.zeros(8, np.uint64), np.zeros(16, np.int32), np.zeros(1, np.int64))
    found = np.zeros(len(hashes), np.bool_)
    kernels.mark(window, hashes, 0, found)
    assert np.flatnonzero(found).tolist() == slow_repeats([str(h) for h in hashes], 8)
    assert np.count_nonzero(window.slots) == min(8, int(window.n_taken[0]))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 32), cuts=st.sets(st.integers(1, N - 1), max_size=20))
def test_a_log_with_repeats_teaches_the_same_in_any_split(seed: int, cuts: set[int]) -> None:
    ids = random_ids(seed, N, 60)
    whole, split = (engine(repeat_window=16) for _ in range(2))
    learned = whole.learn(batch(ids), judge_all=True)
    repeated, judged = [], []
    for a, b in itertools.pairwise([0, *sorted(cuts), N]):
        part = split.learn(batch(ids[a:b], a), judge_all=True)
        repeated += (part.repeated + a).tolist()
        judged += (part.fresh.at + a).tolist()
    assert learned.repeated.tolist() == repeated == slow_repeats(ids, 16)
    assert learned.fresh.at.tolist() == judged == sorted(set(range(N)) - set(repeated))
    assert learned.n_learned + learned.n_repeated == N
    assert split.digest() == whole.digest()


def test_a_repeat_advances_the_position_and_teaches_nothing_else() -> None:
    """As if it were a hole in the log. Events without an id are never repeats."""
    ids = ["a", "b", "a", "", "", "b", "c", "a"]
    whole, holes = engine(train_sample=1.0), engine(train_sample=1.0)
    learned = whole.learn(batch(ids))
    kept = holes.learn(batch(ids).only(np.array([0, 1, 3, 4, 6])))
    assert learned.repeated.tolist() == [2, 5, 7]
    assert learned.fresh.at.tolist() == [0, 1, 3, 4, 6]
    assert learned.fresh.rank.tolist() == kept.fresh.rank.tolist()
    assert whole.digest() == holes.digest()
    assert whole.position == {("events", 0): len(ids)}


def test_what_is_asked_of_single_events_stays_with_them() -> None:
    """Judging marks and left-out items are given by place in the batch, repeats included."""
    ids = ["a", "b", "a", "c", "d"]
    marked = np.array([False, False, True, True, False])
    left_out = [IdColumn.of([f"i{n}"]) for n in range(5)]
    e = engine(train_sample=0.0)
    assert e.learn(batch(ids), judge_all=marked, left_out=left_out).fresh.at.tolist() == [3]


def test_a_span_that_comes_again_is_no_repeat() -> None:
    """Positions see to that; the window only knows what was learned."""
    e = engine()
    e.learn(batch(["a", "b", "c"]))
    before = e.digest()
    assert e.learn(batch(["a", "b", "c"])).n_repeated == 0
    assert e.digest() == before
    learned = e.learn(batch(["a", "b", "c", "d", "a"]))
    assert (learned.n_learned, learned.repeated.tolist()) == (1, [4])


def order(lines: list[tuple[str, str]], event_id: str = "o1", start: int = 0) -> EventBatch:
    """(item, event type) under one id."""
    span = Span("events", 0, 0, start, start + len(lines))
    rows = EventBatch.of(
        [("u", item, 1e9 + n) for n, (item, _) in enumerate(lines)],
        span=span,
        event_ids=[event_id] * len(lines),
    )
    return dataclasses.replace(rows, event_types=[kind for _, kind in lines])


LINES = [("a", "purchase"), ("b", "purchase"), ("c", "purchase"), ("a", "view")]


@pytest.mark.parametrize("cut", range(len(LINES)))
def test_the_lines_of_an_order_may_share_an_id(cut: int) -> None:
    """Each is learned once, in any split; what is sent again is a repeat, line by line. It is said once."""
    e = engine()
    with capture_logs() as logged:
        for batch_ in (order(LINES[:cut]), order(LINES[cut:], start=cut), order(LINES, start=4)):
            learned = e.learn(batch_)
    assert (learned.n_learned, learned.repeated.tolist()) == (0, [0, 1, 2, 3])
    assert e.stats()["events_learned"] == 4
    (warning,) = [line for line in logged if "share an event_id" in line["event"]]
    assert (warning["event_id"], warning["fix"] != "") == ("o1", True)


def test_repeats_that_do_not_differ_are_not_spoken_of() -> None:
    with capture_logs() as logged:
        engine().learn(batch(["a", "b", "a", "", "", "b"]))
    assert logged == []


def test_each_partition_has_a_window_of_its_own() -> None:
    e = engine()
    assert e.learn(batch(["a", "b"], partition=0)).n_repeated == 0
    assert e.learn(batch(["a", "b"], partition=1)).n_repeated == 0
    assert e.learn(batch(["b", "a"], start=2, partition=1)).n_repeated == 2


def test_a_repeat_is_no_outcome_of_an_impression() -> None:
    e = engine()
    shown = Impression("s", "u0", 1e9, ("i0",))
    e.learn_impressions(impression_batch([Record("impressions", 0, 0, "u0", shown)]))
    e.learn(EventBatch.of([("u0", "i0", 1e9 + 1)] * 3, event_ids=["a", "a", "a"]))
    assert e.attribution.state.items.totals["interactions"][0] == 1
    assert e.state.popularity.scores.max() == pytest.approx(one_click().state.popularity.scores.max())


def one_click() -> Engine:
    e = engine()
    e.learn(EventBatch.of([("u0", "i0", 1e9 + 1)]))
    return e


def test_the_window_is_part_of_the_digest() -> None:
    a, b = engine(), engine()
    a.learn(batch(["a", "b"]))
    b.learn(batch(["a", "c"]))
    assert a.digest() != b.digest()


def test_windows_are_bounded_in_length_and_number() -> None:
    e = engine(repeat_window=8, repeat_partitions=2)
    held = accounted(e)["other"]
    for partition in range(4):
        e.learn(batch([f"{partition}/{n}" for n in range(50)], partition=partition))
    assert e.stats()["event_ids"] == 16
    assert accounted(e)["other"] - held == 2 * (8 * 8 + 16 * 4 + 8)
    assert e.learn(batch(["3/49"], start=50, partition=3)).n_repeated == 0, "beyond engine.repeat_partitions"


def test_without_a_window_repeats_are_learned_like_any_event() -> None:
    e = engine(repeat_window=0)
    assert e.learn(batch(["a", "a", "a"])).n_learned == 3
    assert e.stats()["event_ids"] == 0


@pytest.mark.parametrize("n", [5, 16, 40])
def test_a_window_goes_on_where_its_arrays_were_taken(n: int) -> None:
    ids = random_ids(3, 200, 50)
    whole, first, second = Deduplication(16, 4), Deduplication(16, 4), Deduplication(16, 4)
    for each in (whole, first):
        each.mark(1, keys(ids[:n]), 0)
    second.load({name: array.copy() for name, array in first.arrays().items()})
    rest = keys(ids[n:])
    assert second.mark(1, rest, 0).tolist() == whole.mark(1, rest, 0).tolist()
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(second.arrays()[name], array)


@pytest.mark.parametrize("other", [Deduplication(8, 4), Deduplication(16, 1)])
def test_arrays_of_other_bounds_are_refused(other: Deduplication) -> None:
    full = Deduplication(16, 4)
    full.mark(3, keys([f"e{n}" for n in range(20)]), 0)
    with pytest.raises(ConfigError, match="repeat_window"):
        other.load(full.arrays())
    assert other.n_ids() == 0
