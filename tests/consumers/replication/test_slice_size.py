"""Slices hold as many records as are learned in the time a slice may take."""

from __future__ import annotations

from stream_rec.consumers.replication.slice_size import SliceSize


def test_slices_shrink_and_grow_with_what_records_cost() -> None:
    sizes = SliceSize(0.005, most=500)
    for _ in range(30):
        sizes.note("events", 100, 100 * 20e-6)
    assert 240 <= sizes.records("events") <= 260
    for _ in range(30):
        sizes.note("events", 100, 100 * 100e-6)
    assert 48 <= sizes.records("events") <= 52


def test_topics_are_measured_apart() -> None:
    sizes = SliceSize(0.005, most=500)
    for _ in range(30):
        sizes.note("items", 10, 10 * 0.02)
    assert sizes.records("items") == 1
    assert sizes.records("events") == 100


def test_a_slice_has_a_record_at_least_and_a_batch_at_most() -> None:
    sizes = SliceSize(0.005, most=500)
    sizes.note("events", 0, 1.0)
    for _ in range(100):
        sizes.note("events", 500, 1e-7)
        sizes.note("impressions", 1, 60.0)
    assert sizes.records("events") == 500
    assert sizes.records("impressions") == 1
