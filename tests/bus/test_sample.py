"""The newest messages of a topic: those that there are, and not none because a broker was slow."""

from __future__ import annotations

import pytest

from stream_rec.bus import sample as module
from stream_rec.bus.sample import sample
from stream_rec.bus.topics import ensure_topics
from stream_rec.errors import Unavailable
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.settings import BusSettings


@pytest.fixture
def filled(bootstrap: str, prefix: str) -> BusSettings:
    bus = BusSettings(bootstrap=bootstrap, prefix=prefix)
    ensure_topics(bus)
    with Publisher(bus) as publisher:
        for n in range(12):
            publisher.send_raw("events", f"u{n}".encode(), f"{n}".encode())
    return bus


def test_the_newest_are_found(filled: BusSettings) -> None:
    found = sample(filled, f"{filled.prefix}events", 100)
    assert sorted(int(each.value or b"") for each in found) == list(range(12))


def test_a_broker_that_is_slow_has_not_said_that_there_is_none(
    filled: BusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.0)
    with pytest.raises(Unavailable, match=r"events/0, 1, 2, 3 did not answer"):
        sample(filled, f"{filled.prefix}events", 100)


def test_a_topic_without_messages_has_none(filled: BusSettings) -> None:
    assert sample(filled, f"{filled.prefix}items", 100) == []
