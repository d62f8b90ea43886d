"""One table of topics; every record has its topic, and the README says the same."""

from __future__ import annotations

import pytest

from stream_rec.schemas.documentation import PAGE, page
from stream_rec.schemas.records import (
    AsOf,
    Control,
    DeadLetter,
    Impression,
    Interaction,
    Item,
    MetricPoint,
    PublishedRecord,
    Record,
    Slate,
    Vector,
)
from stream_rec.schemas.topics import FOLLOWED, TOPICS, check, full_name, key_of, short_name, topic_of
from stream_rec.settings import IngestSettings

POINT = MetricPoint("ctr", {"k": "10", "at": "home"}, 60_000, 60, "events", 3, 1.0, 2.0)


@pytest.mark.parametrize(
    ("record", "topic", "key"),
    [
        (Interaction("u1", "i1", "view", 1.0), "events", b"u1"),
        (Item("i1"), "items", b"i1"),
        (Impression("s", "ü", 1.0, ()), "impressions", "ü".encode()),
        (Control("scenario", "home", 1.0, {}), "control", b"scenario/home"),
        (Vector("text", "a/ü", (1.0,)), "vectors", "text/a/ü".encode()),
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


def test_the_page_has_the_tables_as_they_are_now() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "run `python -m stream_rec.schemas`"


def test_workers_read_what_applications_publish_and_nothing_else() -> None:
    published = {name for name, topic in TOPICS.items() if issubclass(topic.record, PublishedRecord)}
    assert published == set(FOLLOWED)


def test_a_record_of_ours_cannot_be_published_by_an_application() -> None:
    with pytest.raises(TypeError, match="MetricPoint is no record that applications publish"):
        check(POINT, IngestSettings())  # type: ignore[arg-type]
