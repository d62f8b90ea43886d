"""A rebuild runs beside the index: no gap in the answers, and a result that depends on the calls alone."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rec.index.item_index import ItemIndex

from .worlds import clustered, recall, true_rows

N, D = 3000, 16


def make(**options: int) -> ItemIndex:
    return ItemIndex(D, **{"exact_below": 1000, "join_after": 3} | options)


def rows(start: int, stop: int) -> NDArray[np.int32]:
    return np.arange(start, stop, dtype=np.int32)


@pytest.fixture(scope="module")
def items() -> NDArray[np.float32]:
    return clustered(N, D).items


def digest(index: ItemIndex) -> bytes:
    return b"".join(name.encode() + array.tobytes() for name, array in sorted(index.serialize().items()))


def test_updates_count_at_once_while_a_rebuild_runs_and_after_it(items: NDArray[np.float32]) -> None:
    index = make()
    index.upsert(rows(0, N - 1), items[:-1])
    index.start_rebuild()
    loud = 100 * items[N - 1 :]

    index.upsert(rows(N - 1, N), loud)
    index.remove(rows(0, 10))

    for kind in ("exact", "ivf"):
        assert index.stats().kind == kind
        found, _ = index.search(loud, 1)
        assert found.tolist() == [[N - 1]]
        assert len(index) == N - 10
        everything, _ = index.search(loud, N)
        assert sorted(everything[0][everything[0] >= 0].tolist()) == list(range(10, N))
        index.join_rebuild()


def test_when_the_training_ends_makes_no_difference(items: NDArray[np.float32]) -> None:
    """One replica waits for the training at once, the other goes on: they end the same."""
    replicas = make(), make()
    for replica, waits in zip(replicas, (True, False), strict=True):
        replica.upsert(rows(0, 2000), items[:2000])
        replica.start_rebuild()
        if waits:
            next(thread for thread in threading.enumerate() if thread.name == "index-rebuild").join()
        replica.upsert(rows(1500, N), items[1500:] + 1)
        replica.remove(rows(100, 300))
        replica.upsert(rows(200, 250), items[200:250])
        assert replica.join_rebuild()
    assert digest(replicas[0]) == digest(replicas[1])


def test_maintenance_goes_over_to_lists_at_the_call_after_the_index_outgrew_the_exact_form(
    items: NDArray[np.float32],
) -> None:
    index = make()
    index.upsert(rows(0, 1000), items[:1000])
    index.maintain()
    assert not index.stats().is_rebuilding

    index.upsert(rows(1000, N), items[1000:])
    kinds = []
    for _ in range(5):
        index.maintain()
        kinds.append(index.stats().kind)

    assert kinds == ["exact", "ivf", "ivf", "ivf", "ivf"]
    assert index.stats().rebuilds == 1
    assert not index.stats().is_rebuilding


def maintained(index: ItemIndex) -> ItemIndex:
    for _ in range(4):
        index.maintain()
    return index


def test_maintenance_trains_again_when_the_items_have_doubled(items: NDArray[np.float32]) -> None:
    index = make()
    index.upsert(rows(0, 1400), items[:1400])
    maintained(index)
    n_lists = index.stats().nlist
    index.upsert(rows(1400, 2700), items[1400:2700])
    assert not index.is_stale()
    index.upsert(rows(2700, N), items[2700:])
    assert maintained(index).stats().rebuilds == 2
    assert index.stats().nlist > n_lists


def test_maintenance_trains_again_when_the_items_have_left_their_places(items: NDArray[np.float32]) -> None:
    index = make()
    index.upsert(rows(0, N), items)
    maintained(index)
    random = np.random.default_rng(5)
    moved = random.normal(size=(N, D)).astype(np.float32)
    index.upsert(rows(0, 1000), moved[:1000])
    assert not index.is_stale()
    index.upsert(rows(1000, N), moved[1000:])
    assert index.is_stale()
    assert maintained(index).stats().rebuilds == 2
    assert not index.is_stale()


def test_items_that_only_tremble_are_trained_again_ever_more_seldom(items: NDArray[np.float32]) -> None:
    index = make()
    random = np.random.default_rng(6)
    rebuilds = []
    for _ in range(48):
        index.upsert(rows(0, N), items + 0.01 * random.normal(size=(N, D)).astype(np.float32))
        index.maintain()
        rebuilds.append(index.stats().rebuilds)
    assert rebuilds[-1] <= 4
    assert rebuilds[16] >= 2


def test_maintenance_goes_back_to_the_exact_form_when_few_items_are_left(items: NDArray[np.float32]) -> None:
    index = make()
    index.upsert(rows(0, N), items)
    maintained(index)
    index.remove(rows(N // 2 + 1, N))
    assert not index.is_stale()
    index.remove(rows(1000, N))
    assert maintained(index).stats().kind == "exact"
    assert index.search(items[:1], 1000)[0].min() >= 0


def test_recall_holds_while_all_items_move_between_two_trainings(items: NDArray[np.float32]) -> None:
    """The lists' means follow the vectors, so more lists are scanned instead of less being found."""
    index = make()
    index.upsert(rows(0, N), items)
    maintained(index)
    random = np.random.default_rng(9)
    moved = items + 0.3 * random.normal(size=(N, D)).astype(np.float32)
    index.upsert(rows(0, N), moved)
    queries = moved[random.integers(N, size=200)]
    assert recall(index.search(queries, 100)[0], true_rows(moved, queries, 100)) >= 0.95


def test_a_training_that_fails_is_raised_where_it_is_joined(items: NDArray[np.float32]) -> None:
    index = make(seed=-1)
    index.upsert(rows(0, N), items)
    index.start_rebuild()
    with pytest.raises(ValueError, match="non-negative"):
        index.join_rebuild()


def test_without_a_start_there_is_nothing_to_join() -> None:
    assert not make().join_rebuild()


def test_one_value_for_all_items_is_no_trouble() -> None:
    """New items often stand at the same place."""
    index = make()
    index.upsert(rows(0, N), np.zeros((N, D), np.float32))
    maintained(index)
    index.upsert(rows(5, 6), np.ones((1, D), np.float32))
    found, scores = index.search(np.ones((1, D), np.float32), 3)
    assert found[0, 0] == 5
    assert scores[0].tolist() == [D, 0, 0]
    for _ in range(8):
        maintained(index)
    assert index.stats().rebuilds == 1
