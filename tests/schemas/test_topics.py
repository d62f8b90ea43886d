"""One table of topics; every record has its topic, and the README says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec import schemas
from stream_rec.schemas.records import (
    AsOf,
    DeadLetter,
    Impression,
    Interaction,
    Item,
    MetricPoint,
    Record,
    Slate,
)
from stream_rec.schemas.topics import TOPICS, full_name, key_of, short_name, topic_of
from stream_rec.schemas.validation import REASONS

README = (Path(schemas.__file__).parent / "README.md").read_text()

POINT = MetricPoint("ctr", {"k": "10", "at": "home"}, 60_000, 60, "events", 3, 1.0, 2.0)


@pytest.mark.parametrize(
    ("record", "topic", "key"),
    [
        (Interaction("u1", "i1", "view", 1.0), "events", b"u1"),
        (Item("i1"), "items", b"i1"),
        (Impression("s", "ü", 1.0, ()), "impressions", "ü".encode()),
        (Slate(AsOf("log", 0, 1, 2, 3.0), "u1", "default", "s", "m", 1.0, ()), "slates", b"u1"),
        (POINT, "metrics", b"ctr/at=home,k=10/60000/events/3"),
        (DeadLetter("events", 3, 17, 1, "not_json", "", b"", 0, False), "dead-letters", b"events/3/17"),
    ],
)
def test_a_record_knows_its_topic_and_its_key(record: Record, topic: str, key: bytes) -> None:
    assert (topic_of(record), key_of(record)) == (topic, key)


def test_topics_keyed_by_user_have_one_partition_count() -> None:
    assert {TOPICS[name].n_partitions(12) for name in ("events", "impressions", "slates")} == {12}


def test_a_tenants_prefix_comes_off_again() -> None:
    assert full_name("shop-", "dead-letters") == "shop-dead-letters"
    assert short_name("shop-", "shop-dead-letters") == "dead-letters"
    assert short_name("shop-", "other-events") is None
    assert short_name("", "their-own-topic") is None


def test_the_readme_has_the_table() -> None:
    day = 86_400_000
    for topic in TOPICS.values():
        days = (topic.retention_ms or 0) // day
        kept = "compacted" if topic.compacted else f"{days} day{'s' if days > 1 else ''}"
        partitions = topic.partitions or "`bus.partitions`"
        row = f"| `{topic.name}` | {topic.record.__name__} | {topic.key} | {partitions} | {kept} |"
        assert row in README


def test_the_readme_has_every_reason_and_its_meaning() -> None:
    for reason, meaning in REASONS.items():
        assert f"| `{reason}` | {meaning} |" in README
