"""Slices hold as many records as are learned in the time a slice may take."""

from __future__ import annotations

from stream_rec.consumers.replication.slice_size import Pace


def test_slices_shrink_and_grow_with_what_records_cost() -> None:
    pace = Pace(0.005, most=500)
    for _ in range(30):
        pace.note("events", 100, 100 * 20e-6)
    assert 240 <= pace.records("events") <= 260
    for _ in range(30):
        pace.note("events", 100, 100 * 100e-6)
    assert 48 <= pace.records("events") <= 52


def test_topics_are_measured_apart() -> None:
    pace = Pace(0.005, most=500)
    for _ in range(30):
        pace.note("items", 10, 10 * 0.02)
    assert pace.records("items") == 1
    assert pace.records("events") == 100


def test_a_slice_has_a_record_at_least_and_a_batch_at_most() -> None:
    pace = Pace(0.005, most=500)
    pace.note("events", 0, 1.0)
    for _ in range(100):
        pace.note("events", 500, 1e-7)
        pace.note("impressions", 1, 60.0)
    assert pace.records("events") == 500
    assert pace.records("impressions") == 1
