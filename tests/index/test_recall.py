"""What the inverted file finds, against brute force, on factors of the kinds that learning makes."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.index.item_index import ItemIndex

from .worlds import World, clustered, recall, skewed, true_rows


@pytest.fixture(scope="module", params=[clustered, skewed], ids=["clustered", "skewed lengths"])
def world(request: pytest.FixtureRequest) -> World:
    return request.param()


@pytest.fixture(scope="module")
def index(world: World) -> ItemIndex:
    index = ItemIndex(world.items.shape[1])
    index.upsert(np.arange(len(world.items), dtype=np.int32), world.items)
    index.start_rebuild()
    index.join_rebuild()
    assert index.stats().kind == "ivf"
    return index


def test_of_the_100_best_items_for_users_at_least_95_are_found(index: ItemIndex, world: World) -> None:
    found, scores = index.search(world.queries, 100)
    assert recall(found, true_rows(world.items, world.queries, 100)) >= 0.95
    exact = np.einsum("nd,nkd->nk", world.queries, world.items[found])
    assert np.allclose(scores, exact, rtol=1e-4, atol=1e-4)
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("k", [1, 10, 200])
def test_shorter_and_longer_lists_are_found_about_as_well(index: ItemIndex, world: World, k: int) -> None:
    assert recall(index.search(world.queries, k)[0], true_rows(world.items, world.queries, k)) >= 0.92


def test_of_the_100_items_most_like_an_item_at_least_95_are_found(index: ItemIndex, world: World) -> None:
    asked = np.arange(0, len(world.items), 97, dtype=np.int32)
    truth = true_rows(world.items, world.items[asked], 101)
    others = np.stack([row[row != item][:100] for row, item in zip(truth, asked, strict=True)])
    assert recall(index.similar_to(asked, 100)[0], others) >= 0.95


def test_a_part_of_the_items_is_scanned_for_it(index: ItemIndex) -> None:
    stats = index.stats()
    assert stats.scanned < 0.2
    assert stats.nprobe < stats.nlist / 4
    assert stats.recall >= 0.95


def test_queries_unlike_items_are_found_as_well_when_the_training_is_shown_some() -> None:
    """What is asked with may lie where no item does: here a direction that only queries have."""
    world = clustered()
    queries = world.queries.copy()
    queries[:, :4] += 6
    index = ItemIndex(world.items.shape[1])
    index.upsert(np.arange(len(world.items), dtype=np.int32), world.items)
    index.start_rebuild(queries[:150])
    index.join_rebuild()
    found, _ = index.search(queries[150:], 100)
    assert recall(found, true_rows(world.items, queries[150:], 100)) >= 0.95
