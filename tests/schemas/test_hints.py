"""Hints made from raw messages, and samples that show their form only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.schemas.hints import hint, sample
from stream_rec.schemas.topics import FOLLOWED, decode
from stream_rec.schemas.validation import REASONS
from stream_rec.settings import IngestSettings
from tests.consumers.parts import fetched

NOW = 1_700_000_000
GOOD = {"user_id": "ann", "item_id": "lamp", "event_type": "click", "ts": NOW}


def without(name: str, **more: Any) -> dict[str, Any]:
    return {field: value for field, value in GOOD.items() if field != name} | more


def hint_of(topic: str, value: Any, key: bytes | None = b"lamp") -> str:
    """Of the dead letter that workers make of a message."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    batch = fetched(topic, [raw])
    batch.keys[0] = key
    (letter,) = decode(topic, batch, batch.span(), IngestSettings(max_lateness_seconds=86_400)).rejected
    return hint(topic, letter.reason, letter.detail, letter.raw, letter.key)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (without("user_id", userId="ann"), "`userId` must be `user_id`"),
        (without("user_id", uid="ann"), "`uid` must be `user_id`"),
        (without("item_id", product_id="lamp"), "`product_id` must be `item_id`"),
        (without("event_type", type="click"), "`type` must be `event_type`"),
        (without("ts", timestamp=NOW), "`timestamp` must be `ts`"),
        (without("item_id", itme_id="lamp"), "`itme_id` must be `item_id`"),
        ({"userId": "a", "itemId": "b", "eventType": "c", "time": 1}, "`itemId` must be `item_id`"),
        (without("item_id", item_id=None), "`item_id` is null"),
        (GOOD | {"ts": NOW * 1000}, "milliseconds?"),
        (GOOD | {"ts": NOW * 1_000_000}, "microseconds?"),
        (GOOD | {"ts": NOW * 1_000_000_000}, "nanoseconds?"),
        (GOOD | {"ts": "2023-11-14T22:13:20Z"}, "a date as text"),
        (GOOD | {"ts": NOW + 7_200}, "local time"),
        (GOOD | {"ts": NOW - 9_000_000}, "max_lateness_seconds"),
        ({"data": GOOD}, "under `data`"),
        ({"payload": {"after": GOOD}}, "under `payload.after`"),
        ({"schema": {}, "payload": GOOD}, "schemas.enable=false"),
        ({"body": json.dumps(GOOD)}, "under `body`"),
        ({"slate_id": "s", "user_id": "a", "ts": NOW, "items": ["b"]}, "a record of `impressions`"),
        ([GOOD], "a list"),
        (json.dumps(GOOD), "encoded twice"),
        (GOOD | {"user_id": ""}, "visitor's or session's id"),
        (GOOD | {"user_id": {"id": 1}}, "an id is text"),
        (b"\x00\x00\x00\x00\x07\x06ann\x08x", "Avro or Protobuf in Confluent's wire format (magic byte 0, schema 7"),
        (b"\x00\x00\x00\x00\x07" + json.dumps(GOOD).encode(), "JSON Schema in Confluent's wire format"),
        (b"\x1f\x8b\x08\x00", "gzip?"),
        (b"\xff\xfe{\x00", "UTF-16?"),
        (b"Obj\x01\x04", "an Avro file?"),
        (b"\xac\xed\x00\x05sr", "Java serialization?"),
        (str(GOOD).encode(), "json.dumps"),
        (b"{user_id: 'ann'}", "double quotes"),
        (b"ann,lamp,click,1700000000", "CSV?"),
        (b"user_id=ann&item_id=lamp", "a form"),
        (b"<event/>", "XML?"),
        (json.dumps(GOOD).encode()[:-5], "cut off"),
        (b'{"user_id": "ann",}', "a comma"),
        (json.dumps(GOOD).encode() + b"\n" + json.dumps(GOOD).encode(), "several records"),
        (b"", "says nothing"),
    ],
)  # fmt: skip
def test_hints_for_events(value: Any, said: str) -> None:
    assert said in hint_of("events", value)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (b'"lamp"', "the key is JSON"),
        (b"\x00\x00\x00\x00\x01lamp", "wire format"),
        (b"ann", "must be the item_id"),
        (None, "send the item_id as the key"),
    ],
)
def test_hints_for_keys_of_items(key: bytes | None, said: str) -> None:
    assert said in hint_of("items", {"item_id": "lamp"}, key)


@settings(deadline=None)
@given(raw=st.binary(max_size=200), reason=st.sampled_from(sorted(REASONS)), topic=st.sampled_from(FOLLOWED))
def test_no_bytes_make_a_hint_or_a_sample_fail(raw: bytes, reason: str, topic: str) -> None:
    assert len(hint(topic, reason, "`ts` cannot be that", raw, raw)) < 300
    assert sample(raw).isascii()


@settings(deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(GOOD)), inner),
        max_leaves=9,
    ),
    reason=st.sampled_from(sorted(REASONS)),
)
def test_no_json_makes_a_hint_or_a_sample_fail(value: Any, reason: str) -> None:
    raw = json.dumps(value).encode()
    hint("events", reason, "`ts` cannot be that", raw)
    assert sample(raw).isascii()


def test_a_sample_shows_names_of_fields_and_the_form_of_values() -> None:
    shown = sample(json.dumps({"userId": "ann-7@shop.de", "ts": NOW * 1000, "ok": True}).encode())
    assert shown == '{"userId": "aaa-9@aaaa.aa", "ts": "9999999999999", "ok": true}'


def test_a_sample_is_short_and_masks_what_is_no_json() -> None:
    assert len(sample(b'{"a": "' + b"x" * 10_000 + b'"}')) <= 123
    assert sample(b"ann,lamp,17") == "aaa,aaaa,99"
