"""A restored index answers the same, and goes on the same."""

from __future__ import annotations

import threading

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rec.errors import ConfigError
from stream_rec.index.item_index import ItemIndex

from .worlds import clustered

N, D = 2500, 16


def make() -> ItemIndex:
    return ItemIndex(D, exact_below=1000, join_after=2)


def rows(start: int, stop: int) -> NDArray[np.int32]:
    return np.arange(start, stop, dtype=np.int32)


@pytest.fixture(scope="module")
def items() -> NDArray[np.float32]:
    """Some of them equal: ties are decided by the order inside the lists, which must survive."""
    items = clustered(N, D).items
    items[1000:1400] = items[1000]
    return items


@pytest.fixture(params=["empty", "exact", "rebuilding", "ivf", "ivf, rebuilding"])
def index(request: pytest.FixtureRequest, items: NDArray[np.float32]) -> ItemIndex:
    index = make()
    if request.param != "empty":
        index.upsert(rows(0, N), items)
        index.remove(rows(300, 350))
        index.upsert(rows(1050, 1100), items[1050:1100])
    if "rebuilding" in request.param or "ivf" in request.param:
        index.start_rebuild()
        index.upsert(rows(320, 400), items[320:400])
        index.remove(rows(10, 20))
    if "ivf" in request.param:
        index.join_rebuild()
    if request.param == "ivf, rebuilding":
        index.start_rebuild()
        index.upsert(rows(10, 15), items[10:15])
    return index


def go_on(index: ItemIndex, items: NDArray[np.float32]) -> None:
    for start in range(0, N, 500):
        index.upsert(rows(start, start + 300), items[start : start + 300] * np.float32(1.1))
        index.remove(rows(start + 290, start + 310))
        index.maintain()


def assert_same(a: ItemIndex, b: ItemIndex, queries: NDArray[np.float32]) -> None:
    for left, right in zip(a.search(queries, 20), b.search(queries, 20), strict=True):
        assert np.array_equal(left, right)
    assert a.stats() == b.stats()
    left, right = a.serialize(), b.serialize()
    assert left.keys() == right.keys()
    assert all(np.array_equal(left[name], right[name]) for name in left)


def test_a_restored_index_is_the_same_now_and_after_more_changes(
    index: ItemIndex, items: NDArray[np.float32]
) -> None:
    restored = make()
    restored.restore(index.serialize())
    assert_same(index, restored, items[950:1050])
    for each in (index, restored):
        go_on(each, items)
    assert_same(index, restored, items[950:1050])


def test_a_snapshot_is_arrays_that_later_changes_leave_alone(
    index: ItemIndex, items: NDArray[np.float32]
) -> None:
    arrays = index.serialize()
    copies = {name: array.copy() for name, array in arrays.items()}
    go_on(index, items)
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
    assert all(np.array_equal(arrays[name], copies[name]) for name in arrays)


def test_an_index_of_another_width_says_what_to_do(index: ItemIndex) -> None:
    with pytest.raises(ConfigError, match=r"16 factors.*say 8(.|\n)*n_factors"):
        ItemIndex(8).restore(index.serialize())


def test_any_thread_gets_the_same_answers_and_computes_alone(
    index: ItemIndex, items: NDArray[np.float32]
) -> None:
    """OpenMP keeps its number of threads per thread: a fresh one would take all cores."""
    answers = []

    def ask() -> None:
        answers.append((*index.search(items[:64], 10), faiss.omp_get_max_threads()))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    found, scores = index.search(items[:64], 10)
    assert np.array_equal(answers[0][0], found)
    assert np.array_equal(answers[0][1], scores)
    if len(index):
        assert answers[0][2] == 1
