"""Items whose `similar` lists are to be written: each once, in order, bounded, only ours."""

from __future__ import annotations

from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from tests.consumers.parts import make_table

ALL = [("items", partition) for partition in range(4)]


def test_the_one_waiting_longest_is_taken_first_and_each_once() -> None:
    touched = TouchedItems(make_table(owned=ALL))
    touched.touch(["a", "b", "a", "c"])
    touched.touch(["b"])
    assert touched.take(2) == ["a", "b"]
    assert touched.take(2) == ["c"]
    assert touched.take(2) == []


def test_items_of_partitions_that_others_own_are_forgotten_on_the_way() -> None:
    items = [f"i{n}" for n in range(40)]
    partitions = partition_of(IdColumn.of(items), 4).tolist()
    ours = [item for item, partition in zip(items, partitions, strict=True) if partition == 2]
    touched = TouchedItems(make_table(owned=[("items", 2), ("events", 0)]))
    touched.touch(items)
    assert touched.take(100) == ours
    assert len(touched) == 0


def test_what_is_not_asked_for_yet_waits() -> None:
    touched = TouchedItems(make_table(owned=ALL))
    touched.touch(["a", "b", "c"])
    touched.take(1)
    assert len(touched) == 2


def test_the_queue_is_bounded_and_forgets_the_oldest() -> None:
    touched = TouchedItems(make_table(owned=ALL), max_items=3)
    touched.touch(f"i{n}" for n in range(10))
    assert touched.take(10) == ["i7", "i8", "i9"]


def test_growth_of_the_topic_moves_items() -> None:
    table = make_table(1, owned=[("items", 0)])
    touched = TouchedItems(table)
    items = [f"i{n}" for n in range(20)]
    table.grow({"items": 2})
    touched.touch(items)
    stayed = partition_of(IdColumn.of(items), 2) == 0
    assert touched.take(20) == [item for item, stays in zip(items, stayed.tolist(), strict=True) if stays]
