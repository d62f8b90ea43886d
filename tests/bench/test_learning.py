"""Events published beside what is measured: a feed that dies or ends early fails the bench."""

from __future__ import annotations

import pytest

from stream_rec.bench.learning import Learning
from stream_rec.bus.lag import ends
from stream_rec.bus.topics import ensure_topics
from stream_rec.errors import ConfigError
from stream_rec.producers.feed.feed import Row
from stream_rec.schemas.records import Interaction
from stream_rec.settings import Settings
from tests.reading import messages
from tests.waiting import wait_until


def rows(n: int) -> list[Row]:
    return [Row(at, Interaction(f"u{at}", "i", "click", 1e9 + at), None) for at in range(n)]


def published(settings: Settings) -> int:
    return sum(ends(settings.bus, "events").values())


def test_each_block_goes_on_where_the_last_one_ended(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    learning = Learning(tansu_settings, rows(20_000), 10, 100.0)
    for _ in range(2):
        before = published(tansu_settings)
        with learning.beside():
            wait_until(lambda before=before: published(tansu_settings) > before, 60)
    users = [each.key().decode() for each in messages(tansu_settings.bus, "events")]
    assert sorted(users) == sorted(f"u{at}" for at in range(10, 10 + len(users)))


def test_a_log_that_ends_early_fails(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    with (
        pytest.raises(ConfigError, match="ended after 3 events"),
        Learning(tansu_settings, rows(5), 2, 1000.0).beside(),
    ):
        wait_until(lambda: published(tansu_settings) == 3, 60)


def test_a_feed_that_cannot_publish_fails() -> None:
    with (
        pytest.raises(ConfigError, match="no Kafka address"),
        Learning(Settings(), rows(5), 0, 1000.0).beside(),
    ):
        pass
