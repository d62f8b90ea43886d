"""Up to which event slates know."""

from __future__ import annotations

import json

from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.records import AsOf


def batch(start: int, next_: int, partition: int = 0, ts: float = 1_700_000_000.0) -> EventBatch:
    """Events at these offsets, stamped by the broker when they happened."""
    rows = [("u", "i", ts + offset) for offset in range(start, next_)]
    return EventBatch.of(rows, span=Span("events", partition, 0, start, next_))


def test_a_batch_knows_its_last_event() -> None:
    table = AsOfTable("log", {})
    as_of = table.learned(batch(0, 5, partition=2))
    assert as_of is not None
    assert (as_of.log, as_of.partition, as_of.offset, as_of.event_ts) == ("log", 2, 4, 1_700_000_004.0)
    assert table.of(2) == table.newest() == as_of


def test_an_empty_batch_knows_nothing_and_changes_nothing() -> None:
    table = AsOfTable("log", {})
    known = table.learned(batch(0, 5))
    assert table.learned(batch(5, 5)) is None
    assert table.of(0) == known


def test_an_older_batch_that_is_served_again_does_not_move_the_table_back() -> None:
    table = AsOfTable("log", {})
    newest = table.learned(batch(5, 10))
    again = table.learned(batch(0, 5))
    assert again is not None
    assert again.offset == 4
    assert table.of(0) == newest


def test_a_partition_that_nothing_was_learned_from_has_the_newest_of_all() -> None:
    """Users of a partition that was added may have had all their events on another."""
    table = AsOfTable("log", {})
    assert table.of(3) is None
    table.learned(batch(0, 5, partition=0, ts=1_700_000_000.0))
    later = table.learned(batch(0, 5, partition=1, ts=1_700_009_000.0))
    assert table.of(3) == table.newest() == later


def test_slates_of_quiet_partitions_are_known_after_a_restart_but_not_those_of_another_log() -> None:
    """Else they could not be written again if Redis has lost them meanwhile."""
    before = AsOfTable("log", {})
    known = before.learned(batch(0, 5, partition=3))
    notes = json.loads(json.dumps(before.notes()))
    assert AsOfTable("log", notes).of(3) == known
    assert AsOfTable("another log", notes).newest() is None
    older = {"latest": [{"log": "log", "partition": 5, "offset": 7, "broker_ts": 1, "event_ts": 1.6e9}]}
    assert AsOfTable("log", older).of(5) == AsOf("log", 5, 7, 1, 1.6e9)
