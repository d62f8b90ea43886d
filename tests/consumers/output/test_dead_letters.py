"""What could not be read: published with its reason and place, counted, and told of."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from stream_rec.clock import ManualClock
from stream_rec.consumers.output.dead_letters import DeadLetters, count_unusable
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import Decoded, Rejected, Span
from stream_rec.schemas.records import DeadLetter
from stream_rec.settings import IngestSettings
from tests.consumers.parts import STAMP_MS, TINY, make_measures

SPAN = Span("events", 3, 0, 10, 20)
REJECTED = [
    Rejected(12, STAMP_MS, "not_json", "not JSON", b"x" * 100, b"ann"),
    Rejected(15, STAMP_MS, "empty_id", "user_id is empty", b"{}"),
]
MISNAMED = Rejected(
    17, STAMP_MS, "missing_field", "`user_id` is not given", b'{"userId": "ann@shop.de", "item_id": "i1"}'
)


def test_a_letter_says_where_the_message_stood_and_why_it_was_rejected() -> None:
    letters = DeadLetters(IngestSettings(dead_letter_raw_bytes=10), ManualClock())
    records = letters.records(SPAN, REJECTED)
    assert [(record.topic, record.key) for record in records] == [
        ("dead-letters", b"events/3/12"),
        ("dead-letters", b"events/3/15"),
    ]
    letter = msgspec.json.decode(records[0].value, type=DeadLetter)
    assert (letter.topic, letter.partition, letter.offset, letter.reason) == ("events", 3, 12, "not_json")
    assert (letter.key, letter.raw, letter.truncated) == (b"ann", b"x" * 10, True)


def test_they_are_counted_by_reason() -> None:
    measures = make_measures(Engine(TINY))
    count_unusable(measures, SPAN, Decoded(None, REJECTED))
    told = {name: n for name, n in measures.live().items() if name.startswith("dead_letters") and n}
    assert told == {"dead_letters{reason=not_json}": 1.0, "dead_letters{reason=empty_id}": 1.0}


def test_the_first_of_each_reason_is_told_with_a_masked_example_and_a_hint(
    capfd: pytest.CaptureFixture[str],
) -> None:
    letters = DeadLetters(IngestSettings(), ManualClock())
    letters.records(SPAN, [*REJECTED, MISNAMED])
    said = "".join(capfd.readouterr())
    assert said.count("cannot be read") == 3
    assert "example=events/3/17" in said
    assert "the field is called `userId`" in said
    assert "ann@shop" not in said
    assert "aaa@aaaa.aa" in said


def test_then_at_most_one_line_a_minute_tells_how_many_more(capfd: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    letters = DeadLetters(IngestSettings(), clock)
    for _ in range(100):
        letters.records(SPAN, [MISNAMED])
        asyncio.run(letters.tell_overdue())
    assert "".join(capfd.readouterr()).count("cannot be read") == 1
    clock.advance(61)
    asyncio.run(letters.tell_overdue())
    said = "".join(capfd.readouterr())
    assert said.count("cannot be read") == 1
    assert "messages=99" in said
    clock.advance(61)
    asyncio.run(letters.tell_overdue())
    assert not "".join(capfd.readouterr())
