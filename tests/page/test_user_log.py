"""What a user did, read from the log: also of a user whose slate says nothing of the partition."""

from __future__ import annotations

from stream_rec.bus.topics import ensure_topics
from stream_rec.page.user_log import UserLog
from stream_rec.schemas.records import Interaction
from stream_rec.settings import Settings
from tests.consumers.publishing import publish_events


def test_the_history_is_found_where_the_key_hashes_to(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    log = UserLog(tansu_settings.bus)
    assert log.history("u1", None, 5) == []
    publish_events(
        tansu_settings.bus,
        [Interaction(f"u{n % 9}", f"i{n}", "view", 1.7e9 + n) for n in range(45)],
    )
    for user in range(9):
        found = log.history(f"u{user}", None, 3)
        assert [each.event.item_id for each in found] == [f"i{user + 9 * n}" for n in (4, 3, 2)]
        assert log.history(f"u{user}", found[0].partition, 3) == found
