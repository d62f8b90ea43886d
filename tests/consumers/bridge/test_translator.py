"""What is published for one message, without any broker."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from stream_rec.clock import ManualClock
from stream_rec.consumers.bridge.inputs import Input, inputs_of
from stream_rec.consumers.bridge.translator import Record, Translator
from stream_rec.consumers.output.dead_letters import DeadLetters
from stream_rec.errors import ConfigError
from stream_rec.schemas.hints import hint
from stream_rec.schemas.records import DeadLetter, Interaction
from stream_rec.settings import Settings
from stream_rec.shapes.messages import RawMessage

CARTS = {
    "events": {"user_id": "user", "item_id": "lines[].sku", "event_type": "'purchase'", "ts": "at"},
}
EVENT = {"user_id": "u", "item_id": "i", "event_type": "view", "ts": 1_700_000_000}


def translated(
    shape: dict[str, Any] | str, value: Any, key: bytes | None = None, **ingest: Any
) -> tuple[list[Record], Input]:
    name = shape if isinstance(shape, str) else "mine"
    given = {"inputs": {"one": {"topic": "t", "shape": name}}}
    shapes = {} if isinstance(shape, str) else {"mine": shape}
    settings = Settings.model_validate({"shapes": shapes, "bridge": given, "ingest": ingest})
    inputs = inputs_of(settings)
    clock = ManualClock()
    translator = Translator(inputs, settings.ingest, DeadLetters(settings.ingest, clock), clock)
    raw = value if value is None or isinstance(value, bytes) else msgspec.json.encode(value)
    return translator.records(RawMessage(raw, key, topic="t", partition=2, offset=7)), inputs["t"]


def letter(record: Record) -> DeadLetter:
    topic, key, value = record
    assert (topic, key) == ("dead-letters", b"t/2/7")
    return msgspec.json.decode(value or b"", type=DeadLetter)


def test_one_message_of_several_elements_becomes_as_many_events_with_ids_of_their_own() -> None:
    cart = {"user": "u", "at": 1_700_000_000, "lines": [{"sku": "a"}, {"sku": "b"}]}
    found, _ = translated(CARTS, cart)
    events = [msgspec.json.decode(value or b"", type=Interaction) for _, _, value in found]
    assert [(topic, key) for topic, key, _ in found] == [("events", b"u")] * 2
    assert [(event.item_id, event.event_id) for event in events] == [("a", "t/2/7/0"), ("b", "t/2/7/1")]


def test_what_is_good_of_a_message_is_published_and_the_rest_is_one_dead_letter() -> None:
    cart = {"user": "u", "at": 1_700_000_000, "lines": [{"sku": "a"}, {"sku": "NULL"}, {"sku": None}]}
    [event, dead], one = translated(CARTS, cart)
    assert event[0] == "events"
    assert letter(dead).reason == "null_word"
    assert letter(dead).detail.startswith("2 of its 3 parts; the first: item_id:")
    assert (one.records, one.dead_letters) == ({"events": 1}, {"null_word": 1})


def test_an_optional_field_that_cannot_be_read_is_counted_and_said_once_and_the_rest_is_published(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shape = {"events": {**CARTS["events"], "value": "lines[].price", "context.page": "page"}}
    lines = [{"sku": "a", "price": "12,90"}, {"sku": "b", "price": "7,10"}, {"sku": "NULL"}]
    [first, second, dead], one = translated(shape, {"user": "u", "at": 1_700_000_000, "lines": lines})
    assert [msgspec.json.decode(value or b"", type=Interaction).value for _, _, value in (first, second)] == [
        None
    ] * 2
    assert letter(dead).detail.startswith("1 of its 3 parts")
    assert (one.parts_left_out, one.records) == ({"value": 2}, {"events": 2})
    assert "".join(capsys.readouterr()).count("a part of messages cannot be read") == 1


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"item_id": "i" * 300}, "id_too_long"),
        ({"item_id": "i\0"}, "bad_id"),
        ({"context": {str(i): "x" * 3_000 for i in range(30)}}, "record_too_large"),
    ],
)
def test_what_breaks_the_contract_is_a_dead_letter(more: dict[str, Any], reason: str) -> None:
    fields = {name: name for name in EVENT} | {f"context.{i}": f"context.{i}" for i in range(30)}
    [dead], _ = translated({"events": fields}, EVENT | more)
    assert letter(dead).reason == reason


def test_what_is_wrong_in_an_optional_field_is_left_to_the_workers() -> None:
    [event], one = translated("native", EVENT | {"session_id": "s" * 300})
    assert event[0] == "events"
    assert one.dead_letters == {}


def test_what_the_shape_leaves_out_is_counted_and_no_dead_letter() -> None:
    shape = {"events": {**CARTS["events"], "item_id": "sku", "keep": "kind == 'order'"}}
    found, one = translated(shape, {"kind": "draft"})
    assert (found, one.left_out, one.dead_letters) == ([], {"not_kept": 1}, {})


def test_a_message_without_a_value_removes_the_item_of_its_key() -> None:
    shape = {"items": {"item_id": "@key.id", "title": "name"}}
    found, one = translated(shape, None, b'{"id": 17}')
    assert found == [("items", b"17", None)]
    assert one.records == {"items": 1}


def test_a_message_without_a_value_is_left_out_where_the_item_is_not_its_key() -> None:
    found, one = translated({"items": {"item_id": "id", "title": "name"}}, None, b"17")
    assert (found, one.left_out) == ([], {"tombstone": 1})


@pytest.mark.parametrize(
    ("bridge", "said"),
    [
        ({}, "no input"),
        ({"a": {"topic": "t", "shape": "native"}, "b": {"topic": "t", "shape": "segment"}}, "the same topic"),
        ({"a": {"topic": "events", "shape": "native"}}, "without end"),
        ({"a": {"topic": "t" * 240, "shape": "native"}}, "event ids"),
        ({"a": {"topic": "t", "shape": "nativ"}}, "there is no shape 'nativ'"),
        ({"a": {"topic": "t", "shape": "native", "to": ["items"]}}, "makes no items"),
        ({"a": {"topic": "t", "shape": "goodbooks"}}, "@row"),
        ({"a": {"topic": "t", "shape": "open-bandit"}}, "no users"),
    ],
)
def test_inputs_that_cannot_work_are_refused(bridge: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        inputs_of(Settings.model_validate({"bridge": {"inputs": bridge}}))


def test_workers_must_know_as_many_ids_as_may_be_published_again() -> None:
    given = {
        "bridge": {"inputs": {"one": {"topic": "t", "shape": "native"}}, "uncommitted_records": 1_001},
        "engine": {"repeat_window": 1_000},
    }
    with pytest.raises(ValidationError, match=r"bridge.uncommitted_records is above engine.repeat_window"):
        Settings.model_validate(given)


def test_types_that_the_shape_does_not_list_are_named_with_what_is_like_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shape = {
        "events": {name: name for name in EVENT},
        "types": {"productView": "view"},
        "other_types": "leave_out",
    }
    found, one = translated(shape, EVENT | {"event_type": "productViewed"})
    assert (found, one.left_out, one.other_types) == ([], {"other_type": 1}, {"productViewed": 1})
    said = "".join(capsys.readouterr())
    assert "productViewed 1" in said and "the shape lists productView" in said


def test_the_hint_of_a_foreign_dead_letter_names_the_topic_s_shape() -> None:
    said = hint("shop.tracking", "missing_field", "", b"{}", None, "tracking")
    assert said == "`stream-rec shape try shop.tracking --shape tracking` shows what its messages become"
    bridge = {"inputs": {"one": {"topic": "shop.tracking", "shape": "tracking"}}}
    assert Settings.model_validate({"bridge": bridge}).bridge.shapes == {"shop.tracking": "tracking"}
