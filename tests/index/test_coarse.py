"""The coarse step: lists by nearness, and for a query those that can hold its best vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_rec.index.training import train
from stream_rec.kernels.coarse import NO_LIST, assign_lists, choose_lists, describe, move, settle

from . import oracle_coarse as oracle
from .worlds import clustered


def whole(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return random.integers(-4, 5, size=shape).astype(np.float32)


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=50, deadline=None)
@given(seed=seeds, d=st.integers(1, 9), n_lists=st.integers(1, 20))
def test_a_vector_goes_to_the_nearest_list(seed: int, d: int, n_lists: int) -> None:
    random = np.random.default_rng(seed)
    vectors, centroids = whole(random, 15, d), whole(random, n_lists, d + 1)
    max_square = np.float32(random.integers(0, 60))
    forms = np.vstack([centroids.T, -0.5 * (centroids**2).sum(axis=1)]).astype(np.float32)

    lists = assign_lists(vectors, np.ascontiguousarray(forms), max_square)

    lifted = oracle.lift(vectors, float(max_square))
    distances = ((lifted - centroids[lists]) ** 2).sum(axis=1)
    assert distances == pytest.approx(oracle.nearest(vectors, centroids, float(max_square)), abs=1e-3)


def test_of_two_lists_at_one_place_a_vector_goes_to_the_first() -> None:
    forms = np.array([[1, 2, 2], [0, 0, 0], [-0.5, -2, -2]], np.float32)
    assert assign_lists(np.array([[3]], np.float32), forms, np.float32(0)).tolist() == [1]


def lists_of_a_world(random: np.random.Generator, d: int, n_lists: int) -> list[NDArray[np.float32]]:
    """Sizes are powers of two, so that means are exact; some lists are empty."""
    return [whole(random, int(size), d) for size in random.choice([0, 1, 2, 4, 8], size=n_lists)]


@settings(max_examples=80, deadline=None)
@given(
    seed=seeds,
    d=st.integers(1, 9),
    n_lists=st.integers(1, 20),
    reach=st.sampled_from([0.0, 1.0, 2.5]),
    enough=st.integers(1, 100),
)
def test_a_query_scans_the_lists_that_the_oracle_says(
    seed: int, d: int, n_lists: int, reach: float, enough: int
) -> None:
    """Spreads and lengths are whole, so that no comparison hangs on rounding."""
    random = np.random.default_rng(seed)
    lists = lists_of_a_world(random, d, n_lists)
    spreads = random.integers(0, 3, size=n_lists).astype(np.float32)
    sizes = np.array([len(each) for each in lists], np.int32)
    means = np.column_stack([each.mean(axis=0) if len(each) else np.zeros(d) for each in lists])
    queries = np.zeros((3, d), np.float32)
    queries[np.arange(3), random.integers(d, size=3)] = random.integers(-3, 4, size=3)

    found, thresholds = choose_lists(
        queries,
        np.ascontiguousarray(means, np.float32),
        spreads,
        sizes,
        np.float32(reach),
        enough,
    )

    for query, row, threshold in zip(queries, found, thresholds, strict=True):
        expected, level = oracle.chosen(query, lists, spreads.tolist(), reach, enough)
        assert row[row != NO_LIST].tolist() == expected
        assert threshold == pytest.approx(level)
        assert sizes[expected].sum() >= min(enough, sizes.sum())


@settings(max_examples=50, deadline=None)
@given(seed=seeds, d=st.integers(1, 9), n_lists=st.integers(1, 6))
def test_sums_that_are_moved_along_describe_the_lists_as_if_added_up_anew(
    seed: int, d: int, n_lists: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = whole(random, 30, d)
    lists = random.integers(n_lists, size=30).astype(np.int32)
    leaves = random.random(30) < 0.6
    sums, squares, sizes = np.zeros((n_lists, d)), np.zeros(n_lists), np.zeros(n_lists, np.int32)

    move(vectors, lists, 1, sums, squares, sizes)
    move(vectors[leaves], lists[leaves], -1, sums, squares, sizes)
    means, spreads = np.zeros((d, n_lists), np.float32), np.zeros(n_lists, np.float32)
    describe(np.arange(n_lists, dtype=np.int32), sums, squares, sizes, means, spreads)

    for j in range(n_lists):
        left = vectors[~leaves & (lists == j)]
        assert sizes[j] == len(left)
        assert means[:, j] == pytest.approx(left.mean(axis=0) if len(left) else np.zeros(d), abs=1e-5)
        assert spreads[j] == pytest.approx(np.sqrt(left.var(axis=0).mean()) if len(left) else 0.0, abs=1e-5)


@pytest.mark.parametrize(("k", "vectors"), [(1, 128), (32, 128), (50, 200), (10_000, 3000)])
def test_lists_that_hold_four_vectors_for_each_neighbour_are_scanned_however_short_the_reach(
    k: int, vectors: int
) -> None:
    world = clustered(3000, 8)
    trained = train(
        np.arange(3000, dtype=np.int32), world.items, world.queries, n_lists=100, recall=0.9, seed=1
    )
    trained.file.coarse = replace(trained.file.coarse, reach=np.float32(-1e9))
    lists, _ = trained.file.choose(world.queries, k)
    held = np.where(lists == NO_LIST, 0, trained.file.sizes[lists]).sum(axis=1)
    assert held.min() >= vectors
    assert held.max() <= vectors + trained.file.sizes.max()


def test_an_emptied_list_is_exactly_zero() -> None:
    sums, squares, sizes = np.zeros((1, 1)), np.zeros(1), np.zeros(1, np.int32)
    vectors = np.array([[0.1], [1e8], [0.3]], np.float32)
    lists = np.zeros(3, np.int32)
    move(vectors, lists, 1, sums, squares, sizes)
    move(vectors, lists, -1, sums, squares, sizes)
    assert sums[0, 0] == squares[0] == 0.0


@settings(max_examples=50, deadline=None)
@given(hits=st.lists(st.integers(-3, 3), max_size=8), n_missing=st.integers(0, 3), seed=seeds)
def test_hits_are_settled_by_score_then_row(hits: list[int], n_missing: int, seed: int) -> None:
    """FAISS gives falling scores, rows in any order among equal ones, and -1 where it found nothing."""
    falling = sorted(map(float, hits), reverse=True)
    rows = np.random.default_rng(seed).permutation(len(hits)).tolist()
    labels = np.array([rows + [-1] * n_missing], np.int64)
    scores = np.array([falling + [-3.4e38] * n_missing], np.float32)
    out = np.empty(labels.shape, np.int32)

    settle(labels, scores, out)

    expected = oracle.settled(labels[0].tolist(), falling + [0.0] * n_missing)
    assert list(zip(out[0].tolist(), scores[0].tolist(), strict=True)) == expected
