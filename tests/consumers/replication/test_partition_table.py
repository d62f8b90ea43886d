"""The one book of partitions."""

from __future__ import annotations

from stream_rec.schemas.partition import TopicPartition
from tests.consumers.parts import make_table


def test_an_assignment_replaces_the_one_before_it() -> None:
    table = make_table()
    table.assign([TopicPartition("events", 0), TopicPartition("items", 1)])
    table.assign([TopicPartition("events", 2)])
    assert table.owned == {("events", 2)}
    assert table.owns("events", 2)
    assert not table.owns("events", 0)


def test_revoking_tells_what_was_ours_and_leaves_the_rest() -> None:
    table = make_table(owned=[("events", 0), ("events", 1), ("items", 3)])
    assert table.revoke(
        [TopicPartition("events", 0), TopicPartition("items", 3), TopicPartition("impressions", 0)]
    ) == {
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
    assert sorted(at for at in table.partitions() if at.topic == "events") == [
        TopicPartition("events", 0),
        TopicPartition("events", 1),
        TopicPartition("events", 2),
    ]
