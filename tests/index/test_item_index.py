"""One contract, both forms: whatever was put in and taken out, the index answers as brute force does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_rec.index.item_index import ItemIndex

D = 4
N_ROWS = 40
"""A query scans lists that hold 128 vectors at least: all of these small worlds, so the inverted file is exact too."""

MakeIndex = Callable[[], ItemIndex]


def exact() -> ItemIndex:
    return ItemIndex(D, exact_below=10_000, max_items=1000)


def inverted() -> ItemIndex:
    """An inverted file from the start: trained on items that are then taken out."""
    index = ItemIndex(D, exact_below=0, max_items=1000)
    random = np.random.default_rng(3)
    rows = np.arange(200, dtype=np.int32)
    index.upsert(rows, random.normal(size=(200, D)).astype(np.float32))
    index.start_rebuild()
    index.join_rebuild()
    assert index.stats().kind == "ivf"
    assert index.stats().nlist > 10
    index.remove(rows)
    return index


@pytest.fixture(params=[exact, inverted], ids=["exact", "ivf"])
def index(request: pytest.FixtureRequest) -> ItemIndex:
    make: MakeIndex = request.param
    return make()


def rows(*values: int) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def vectors(*values: tuple[float, ...]) -> NDArray[np.float32]:
    return np.array(values, np.float32).reshape(-1, D)


def same_state(a: ItemIndex, b: ItemIndex) -> bool:
    left, right = a.serialize(), b.serialize()
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


small = st.integers(-3, 3)
changes = st.one_of(
    st.tuples(
        st.just("upsert"),
        st.lists(st.tuples(st.integers(0, N_ROWS - 1), st.tuples(*[small] * D)), max_size=12),
    ),
    st.tuples(st.just("remove"), st.lists(st.integers(0, N_ROWS - 1), max_size=12)),
    st.tuples(st.sampled_from(["start", "join", "restore"]), st.just([])),
)


@pytest.mark.parametrize("make", [exact, inverted], ids=["exact", "ivf"])
@settings(max_examples=60, deadline=None)
@given(steps=st.lists(changes, max_size=12), query=st.tuples(*[small] * D), k=st.integers(1, N_ROWS + 5))
def test_after_any_changes_the_answers_are_those_of_brute_force(
    make: MakeIndex, steps: list[tuple[str, list]], query: tuple[int, ...], k: int
) -> None:
    """Whole-numbered vectors: sums are exact and ties are common (the last score's may be cut anyhow)."""
    index, truth = make(), {}
    for step, what in steps:
        if step == "upsert":
            index.upsert(rows(*[row for row, _ in what]), vectors(*[vector for _, vector in what]))
            truth.update(what)
        elif step == "remove":
            assert index.remove(rows(*what)) == len(truth.keys() & set(what))
            truth = {row: vector for row, vector in truth.items() if row not in what}
        elif step == "start":
            index.start_rebuild()
        elif step == "join":
            index.join_rebuild()
        else:
            arrays = index.serialize()
            index = make()
            index.restore(arrays)

    found, scores = (answers[0].tolist() for answers in index.search(vectors(query), k))

    score_of = {row: float(np.dot(vector, query)) for row, vector in truth.items()}
    best = sorted(score_of.values(), reverse=True)[:k]
    hits = found[: len(best)]
    assert len(index) == len(truth)
    assert scores == best + [-np.inf] * (k - len(best))
    assert [score_of[row] for row in hits] == best
    assert found[len(best) :] == [-1] * (k - len(best))
    assert hits == sorted(set(hits), key=lambda row: (-score_of[row], row))


def test_an_empty_index_finds_nothing(index: ItemIndex) -> None:
    found, scores = index.search(vectors((1, 0, 0, 0), (0, 1, 0, 0)), 3)
    assert found.tolist() == [[-1, -1, -1], [-1, -1, -1]]
    assert np.isneginf(scores).all()
    assert len(index) == 0


def test_no_queries_get_no_answers(index: ItemIndex) -> None:
    index.upsert(rows(1), vectors((1, 0, 0, 0)))
    found, scores = index.search(np.empty((0, D), np.float32), 3)
    assert found.shape == scores.shape == (0, 3)


def test_behind_the_last_item_stand_no_rows(index: ItemIndex) -> None:
    index.upsert(rows(7, 5), vectors((1, 0, 0, 0), (2, 0, 0, 0)))
    found, scores = index.search(vectors((1, 0, 0, 0)), 4)
    assert found.tolist() == [[5, 7, -1, -1]]
    assert scores.tolist() == [[2, 1, -np.inf, -np.inf]]


def test_equal_scores_stand_in_the_order_of_rows(index: ItemIndex) -> None:
    index.upsert(rows(9, 3, 6), vectors(*[(1, 1, 1, 1)] * 3))
    assert index.search(vectors((1, 0, 0, 0)), 3)[0].tolist() == [[3, 6, 9]]


def test_negative_scores_are_answers_too(index: ItemIndex) -> None:
    index.upsert(rows(0, 1), vectors((1, 0, 0, 0), (2, 0, 0, 0)))
    assert index.search(vectors((-1, 0, 0, 0)), 2)[1].tolist() == [[-1, -2]]


def test_a_row_that_comes_back_has_its_new_vector_alone(index: ItemIndex) -> None:
    index.upsert(rows(4), vectors((5, 0, 0, 0)))
    assert index.remove(rows(4)) == 1
    assert not index.contains(rows(4)).any()
    index.upsert(rows(4), vectors((0, 1, 0, 0)))
    found, scores = index.search(vectors((1, 1, 0, 0)), 2)
    assert found.tolist() == [[4, -1]]
    assert scores[0, 0] == 1


def test_of_a_row_given_twice_the_last_vector_counts(index: ItemIndex) -> None:
    index.upsert(rows(2, 1, 2), vectors((1, 0, 0, 0), (2, 0, 0, 0), (3, 0, 0, 0)))
    assert index.search(vectors((1, 0, 0, 0)), 3)[1].tolist() == [[3, 2, -np.inf]]


def test_removing_what_is_not_there_changes_nothing(index: ItemIndex) -> None:
    index.upsert(rows(1), vectors((1, 0, 0, 0)))
    assert index.remove(rows(999, 3, 3)) == 0
    assert len(index) == 1


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param((rows(1), vectors((np.nan, 0, 0, 0))), id="nan"),
        pytest.param((rows(1), vectors((0, np.inf, 0, 0))), id="infinite"),
        pytest.param((rows(1), vectors((3e19, 0, 0, 0))), id="too long to be squared"),
        pytest.param((rows(-1), vectors((1, 0, 0, 0))), id="negative row"),
        pytest.param((rows(1000), vectors((1, 0, 0, 0))), id="row not below max_items"),
        pytest.param((np.array([2**32 + 1]), vectors((1, 0, 0, 0))), id="row beyond int32"),
        pytest.param((np.array([0.5]), vectors((1, 0, 0, 0))), id="fractional row"),
        pytest.param((rows(1, 2), vectors((1, 0, 0, 0))), id="fewer vectors than rows"),
        pytest.param((rows(1), np.ones((1, D + 1), np.float32)), id="wrong width"),
    ],
)
def test_what_cannot_be_an_items_factors_is_refused_and_changes_nothing(
    index: ItemIndex, bad: tuple[NDArray[np.int32], NDArray[np.float32]]
) -> None:
    index.upsert(rows(1), vectors((1, 2, 3, 4)))
    before = index.serialize()
    with pytest.raises(ValueError, match=r"rows|vectors"):
        index.upsert(*bad)
    assert all(np.array_equal(before[name], array) for name, array in index.serialize().items())


def test_queries_that_are_not_finite_or_of_no_length_are_refused(index: ItemIndex) -> None:
    with pytest.raises(ValueError, match="finite"):
        index.search(vectors((np.nan, 0, 0, 0)), 1)
    with pytest.raises(ValueError, match="k is 0"):
        index.search(vectors((1, 0, 0, 0)), 0)


def test_similar_items_leave_out_the_item_itself(index: ItemIndex) -> None:
    index.upsert(rows(1, 2, 3), vectors((1, 0, 0, 0), (0.5, 0, 0, 0), (0, 1, 0, 0)))
    found, scores = index.similar(1, 4)
    assert found.tolist() == [2, 3, -1, -1]
    assert scores.tolist() == [0.5, 0, -np.inf, -np.inf]


def test_similar_items_are_k_also_when_longer_vectors_crowd_the_item_out(index: ItemIndex) -> None:
    index.upsert(rows(1, 2, 3, 4), vectors((1, 0, 0, 0), (4, 0, 0, 0), (3, 0, 0, 0), (2, 0, 0, 0)))
    assert index.similar(1, 2)[0].tolist() == [2, 3]


def test_an_unknown_item_has_no_similar_items(index: ItemIndex) -> None:
    index.upsert(rows(1, 2), vectors((1, 0, 0, 0), (0.5, 0, 0, 0)))
    assert index.similar(77, 2)[0].tolist() == [-1, -1]
    assert index.similar_to(rows(77, 1), 1)[0].tolist() == [[-1], [2]]


def test_what_a_query_gets_does_not_depend_on_who_asks_with_it(index: ItemIndex) -> None:
    random = np.random.default_rng(1)
    index.upsert(np.arange(900, dtype=np.int32), items := random.normal(size=(900, D)).astype(np.float32))
    together = index.search(items[:300], 5)
    alone = [index.search(query[None], 5) for query in items[:300]]
    assert np.array_equal(together[0], np.concatenate([found for found, _ in alone]))
    assert np.array_equal(together[1], np.concatenate([scores for _, scores in alone]))


def test_searching_changes_nothing(index: ItemIndex) -> None:
    index.upsert(rows(1, 2), vectors((1, 0, 0, 0), (0, 1, 0, 0)))
    before = index.serialize()
    index.search(vectors((1, 1, 1, 1)), 5)
    index.similar(1, 5)
    index.similar(3, 5)
    assert all(np.array_equal(before[name], array) for name, array in index.serialize().items())


def test_a_full_index_holds_max_items_and_churns_without_growing(index: ItemIndex) -> None:
    random = np.random.default_rng(2)
    everything = np.arange(1000, dtype=np.int32)
    for _ in range(20):
        index.upsert(everything, random.normal(size=(1000, D)).astype(np.float32))
        index.remove(random.integers(1000, size=300).astype(np.int32))
    index.upsert(everything, items := random.normal(size=(1000, D)).astype(np.float32))
    assert len(index) == 1000
    assert sum(array.nbytes for array in index.serialize().values()) < 1000 * (4 * D + 4) + 50_000
    found, _ = index.search(items[:20], 1000)
    assert (np.sort(found, axis=1) == everything).all()


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9, 0.0])
@pytest.mark.parametrize("exact_below", [10_000, 100])
def test_what_is_not_allowed_is_not_found(share: float, exact_below: int) -> None:
    rng = np.random.default_rng(5)
    n, d = 3000, 8
    factors = rng.standard_normal((n, d)).astype(np.float32)
    index = ItemIndex(d, exact_below=exact_below)
    index.upsert(np.arange(n, dtype=np.int32), factors)
    if exact_below < n:
        index.start_rebuild()
        index.join_rebuild()
    allowed = rng.random(n) < share
    queries = rng.standard_normal((6, d)).astype(np.float32)
    found, _ = index.search(queries, 20, allowed=allowed)
    right = np.where(allowed, queries @ factors.T, -np.inf)
    for row, scores in zip(found, right, strict=True):
        hits = row[row >= 0]
        assert allowed[hits].all()
        best = np.argsort(-scores)[: min(20, int(allowed.sum()))]
        assert len(hits) == len(best)
        assert len({*hits.tolist()} & {*best.tolist()}) >= 0.8 * len(best)


one_by_one = st.lists(
    st.tuples(st.integers(0, N_ROWS - 1), st.none() | st.tuples(*[st.floats(-9, 9, width=32)] * D)),
    max_size=40,
)


@pytest.mark.parametrize("make", [exact, inverted], ids=["exact", "ivf"])
@settings(max_examples=60, deadline=None)
@given(done=one_by_one, put_off=one_by_one, is_training=st.booleans())
def test_changes_that_are_put_off_leave_what_they_leave_at_once(
    make: MakeIndex,
    done: list[tuple[int, tuple[float, ...] | None]],
    put_off: list[tuple[int, tuple[float, ...] | None]],
    is_training: bool,
) -> None:
    """Bit for bit, sums and the order in lists too: replicas cut batches differently."""
    later, at_once = make(), make()
    for index in (later, at_once):
        for row, vector in done:
            change(index, row, vector)
        if is_training:
            index.start_rebuild()
    for row, vector in put_off:
        later.later(row, None if vector is None else vectors(vector)[0])
        change(at_once, row, vector)
    assert same_state(later, at_once)
    for index in (later, at_once):
        index.join_rebuild()
    assert same_state(later, at_once)


def change(index: ItemIndex, row: int, vector: tuple[float, ...] | None) -> None:
    if vector is None:
        index.remove(rows(row))
    else:
        index.upsert(rows(row), vectors(vector))
