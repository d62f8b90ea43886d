"""`stream-rec dead-letters`: what could not be read, why, and the way back."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.schemas.codec import dead_letter, encode
from stream_rec.schemas.columns import Rejected, Span
from stream_rec.schemas.records import Interaction
from stream_rec.schemas.topics import decode
from stream_rec.settings import BusSettings, IngestSettings, Settings
from tests.cli.running import addresses, clean_environment, run
from tests.consumers.parts import fetched
from tests.consumers.publishing import publish
from tests.forked.process import start
from tests.reading import messages
from tests.waiting import wait_until

NOW = 1_700_000_000
MISNAMED = b'{"userId": "ann", "item_id": "lamp", "event_type": "click", "ts": 1700000000}'
LATER = encode(Interaction("ann", "lamp", "click", NOW + 7_200.0, event_id="e1"))
LONG = b'{"user_id": "' + b"x" * 600 + b'"}'


def set_aside(bus: BusSettings, raws: list[bytes], *, start: int = 0) -> None:
    """Publish the letters that a worker makes of these messages, which stand on partition 2 of `events`."""
    ensure_topics(bus)
    rules = IngestSettings(dead_letter_raw_bytes=500)
    batch = fetched("events", raws, start=start, partition=2)
    batch.keys[:] = [b"ann"] * len(raws)
    rejected = decode("events", batch, batch.span(), rules).rejected
    assert len(rejected) == len(raws)
    letters = [dead_letter(Span("events", 2, 0, 0, 9), one, 500) for one in rejected]
    publish(bus, "dead-letters", [(b"events/2/%d" % one.offset, encode(one)) for one in letters])


def test_it_counts_by_reason_and_says_what_is_probably_wrong(tansu_settings: Settings) -> None:
    set_aside(tansu_settings.bus, [MISNAMED, LATER, MISNAMED, b"ann,lamp"])
    shown = run("dead-letters", environment=addresses(tansu_settings) | {"COLUMNS": "80"})
    assert shown.returncode == 0, shown.stderr
    assert "events: 2 missing_field" in shown.stdout
    assert "the field is called `userId`" in shown.stdout
    assert "events/2/3 not_json" in shown.stdout
    assert "CSV?" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_one_reason_as_json(tansu_settings: Settings) -> None:
    set_aside(tansu_settings.bus, [MISNAMED, LATER])
    shown = run("dead-letters", "--reason", "ts_in_future", "--json", environment=addresses(tansu_settings))
    found = json.loads(shown.stdout)
    assert found["letters"] == 1
    (kind,) = found["reasons"]
    assert (kind["topic"], kind["reason"], kind["count"]) == ("events", "ts_in_future", 1)
    assert [letter["text"] for letter in found["newest"]] == [LATER.decode()]
    assert "local time" in found["newest"][0]["hint"]


def test_a_reason_that_there_is_not_is_refused(tansu_settings: Settings) -> None:
    shown = run("dead-letters", "--reason", "nonsense", environment=addresses(tansu_settings))
    assert shown.returncode == 2
    assert "missing_field" in shown.stderr


def test_none_are_none(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    shown = run("dead-letters", environment=addresses(tansu_settings))
    assert (shown.returncode, shown.stdout) == (0, "no dead letters\n")


def test_replay_publishes_whole_ones_once_where_they_came_from_and_says_what_it_did(
    settings: Settings,
) -> None:
    set_aside(settings.bus, [LATER, MISNAMED, MISNAMED, LONG])
    shown = run("dead-letters", "--replay", "--json", environment=addresses(settings))
    assert shown.returncode == 0, shown.stderr
    there = messages(settings.bus, "events")
    assert [(one.partition(), one.key(), one.value()) for one in there] == [
        (2, b"ann", LATER),
        (2, b"ann", MISNAMED),
    ]
    done = json.loads(shown.stdout)["replay"]
    assert (done["published"], done["repeats"], done["cut"]) == (2, 1, 1)
    assert done["cut_places"] == ["events/2/3"]
    assert done["still_refused"] == {"missing_field": 1}, "the clock has come to the other one's time"


def test_replay_says_in_words_what_was_cut(tansu_settings: Settings) -> None:
    set_aside(tansu_settings.bus, [LONG])
    shown = run("dead-letters", "--replay", environment=addresses(tansu_settings) | {"COLUMNS": "80"})
    assert "published again: 0" in shown.stdout
    assert "only their beginning was kept: 1" in shown.stdout
    assert "events/2/0" in shown.stdout


@pytest.mark.parametrize("as_json", [True, False])
def test_tail_goes_on_with_what_comes(tansu_settings: Settings, tmp_path: Path, as_json: bool) -> None:
    bus = tansu_settings.bus
    set_aside(bus, [MISNAMED])
    out = tmp_path / "out"
    with out.open("wb") as file:
        tail = start(
            ["dead-letters", "--tail", *(["--json"] if as_json else [])],
            env=clean_environment(**addresses(tansu_settings), PYTHONUNBUFFERED="1"),
            stdout=file,
            stderr=file,
        )
    try:
        if not as_json:
            wait_until(lambda: "events/2/0" in out.read_text(), 60, "what there is")
        number = 7

        def has_come() -> bool:
            nonlocal number
            set_aside(bus, [LATER], start=number)
            number += 1
            return "events/2/8" in out.read_text() or '"offset": 8' in out.read_text()

        wait_until(has_come, 60, "what comes")
        os.kill(tail.pid, signal.SIGINT)
        assert tail.wait(20) in (0, 130)
    finally:
        tail.kill()
    if as_json:
        assert all(json.loads(line)["topic"] == "events" for line in out.read_text().splitlines())


def test_the_key_is_kept_with_the_letter() -> None:
    letter = dead_letter(Span("items", 0, 0, 0, 1), Rejected(0, 0, "not_json", "", b"x", b"lamp"), 3)
    assert (letter.key, letter.truncated) == (b"lam", True)
