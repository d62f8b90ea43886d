"""Messages that are no events go to dead-letters, each once, with all that is needed to find out why."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from stream_rec.producers.simulate.bad_messages import bad_messages
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import DeadLetter
from stream_rec.settings import Settings
from tests.consumers.publishing import clicks, publish
from tests.consumers.running import behind, last_values, running, wait_until_done
from tests.reading import messages, records
from tests.waiting import wait_until

N = 10_000


def test_ten_thousand_bad_among_ten_thousand_good(tansu_settings: Settings, tmp_path: Path) -> None:
    """Every good one is learned once, every bad one is in dead-letters once, and the worker is alive."""
    settings = tansu_settings
    good = clicks(N)
    bad = bad_messages(N, seed=5)
    mixed: list[tuple[bytes, bytes | None]] = []
    for event, message in zip(good, bad, strict=True):
        mixed += [(event.user_id.encode(), encode(event)), (message.key, message.value)]

    with running(settings, tmp_path) as worker:
        published = publish(settings.bus, "events", mixed)
        wait_until_done(settings, published.n, worker)
        learned = "engine{stat=events_learned}"
        wait_until(lambda: sum(one.values[learned] for one in last_values(settings)) >= N, 10, "the figures")
        assert sum(one.values[learned] for one in last_values(settings)) == N
        assert worker.is_alive()

    wanted = dict(zip(published.at[1::2], bad, strict=True))
    letters = records(settings.bus, "dead-letters", DeadLetter)
    assert Counter((letter.partition, letter.offset) for letter in letters) == Counter(wanted.keys())
    limit = settings.ingest.dead_letter_raw_bytes
    for letter in letters:
        message = wanted[letter.partition, letter.offset]
        raw = message.value or b""
        assert (letter.topic, letter.reason) == ("events", message.reason), message.kind
        assert (letter.raw, letter.raw_bytes, letter.truncated) == (raw[:limit], len(raw), len(raw) > limit)
    assert any(letter.truncated for letter in letters)
    keys = [message.key() for message in messages(settings.bus, "dead-letters")]
    assert keys == [f"events/{letter.partition}/{letter.offset}".encode() for letter in letters]

    last = {event.user_id: at for event, at in zip(good, published.at[::2], strict=True)}
    assert behind(settings, last) == {}
