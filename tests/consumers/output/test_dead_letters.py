"""What could not be read: published with its reason and place, and counted."""

from __future__ import annotations

import msgspec

from stream_rec.consumers.output.dead_letters import count_unusable, dead_letters
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import Decoded, Rejected, Span
from stream_rec.schemas.records import DeadLetter
from stream_rec.settings import IngestSettings
from tests.consumers.parts import STAMP_MS, TINY, make_measures

SPAN = Span("events", 3, 0, 10, 20)
REJECTED = [
    Rejected(12, STAMP_MS, "json", "not JSON", b"x" * 100),
    Rejected(15, STAMP_MS, "user_id", "is empty", b"{}"),
]


def test_a_letter_says_where_the_message_stood_and_why_it_was_rejected() -> None:
    records = dead_letters(SPAN, REJECTED, IngestSettings(dead_letter_raw_bytes=10))
    assert [(record.topic, record.key) for record in records] == [
        ("dead-letters", b"events/3/12"),
        ("dead-letters", b"events/3/15"),
    ]
    letter = msgspec.json.decode(records[0].value, type=DeadLetter)
    assert (letter.topic, letter.partition, letter.offset, letter.reason) == ("events", 3, 12, "json")


def test_they_are_counted_by_reason() -> None:
    measures = make_measures(Engine(TINY))
    count_unusable(measures, SPAN, Decoded(None, REJECTED))
    told = {name: n for name, n in measures.live().items() if name.startswith("dead_letters") and n}
    assert told == {"dead_letters{reason=json}": 1.0, "dead_letters{reason=user_id}": 1.0}
