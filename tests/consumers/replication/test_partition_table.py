"""The one book of partitions."""

from __future__ import annotations

import pytest
from faust.types import TP

from stream_rec.consumers.replication.partition_table import PartitionTable
from tests.consumers.parts import make_table


def test_an_assignment_replaces_the_one_before_it() -> None:
    table = make_table()
    table.assign([TP("events", 0), TP("items", 1)])
    table.assign([TP("events", 2)])
    assert table.owned == {("events", 2)}
    assert table.owns("events", 2)
    assert not table.owns("events", 0)


def test_revoking_tells_what_was_ours_and_leaves_the_rest() -> None:
    table = make_table(owned=[("events", 0), ("events", 1), ("items", 3)])
    assert table.revoke([TP("events", 0), TP("items", 3), TP("impressions", 0)]) == {
        ("events", 0),
        ("items", 3),
    }
    assert table.owned == {("events", 1)}


def test_whoever_owns_the_first_partition_of_events_leads() -> None:
    assert make_table(owned=[("events", 0)]).leads
    assert not make_table(owned=[("events", 1), ("items", 0)]).leads


def test_topics_grow_and_never_shrink() -> None:
    table = make_table(2)
    assert table.grow({"events": 3, "items": 1}) == {"events": 3}
    assert (table.count("events"), table.count("items")) == (3, 2)
    assert table.grow({"events": 3}) == {}
    assert sorted(table.partitions())[:3] == [TP("events", 0), TP("events", 1), TP("events", 2)]


def test_names_on_the_bus_have_the_tenants_prefix() -> None:
    table = PartitionTable("shop-", {"events": 1}, {"events": "id"})
    assert table.on_bus("events", 0) == TP("shop-events", 0)
    assert table.ours(TP("shop-events", 0)) == ("events", 0)
    with pytest.raises(AssertionError, match="none of our topics"):
        table.ours(TP("other-events", 0))
