"""One unusable part does not cost the record: what is good is taken, what was left out is told."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from stream_rec.bus.batch import Fetched
from stream_rec.schemas.columns import Decoded, EventBatch, ImpressionBatch, ItemBatch
from stream_rec.schemas.records import Interaction, Item
from stream_rec.schemas.topics import decode
from stream_rec.settings import IngestSettings

NOW_MS = 1_700_000_000_000
NOW = NOW_MS / 1000
RULES = IngestSettings()
EVENT = {"user_id": "u", "item_id": "i", "event_type": "view", "ts": NOW}
SHOWN = {"slate_id": "s", "user_id": "u", "ts": NOW, "items": ["a", "b"], "propensities": [0.5, 1.0]}


def read(topic: str, value: bytes, key: bytes | None = b"i", rules: IngestSettings = RULES) -> Decoded[Any]:
    log = Fetched(topic, 0, 1, 0, 1, [key], [value], [0], [NOW_MS])
    return decode(topic, log, log.span(), rules)


def event(*, rules: IngestSettings = RULES, **fields: Any) -> Decoded[EventBatch]:
    return read("events", json.dumps({**EVENT, **fields}).encode(), rules=rules)


def item(key: bytes = b"i", **fields: Any) -> Decoded[ItemBatch]:
    return read("items", json.dumps(fields).encode(), key)


def shown(**fields: Any) -> Decoded[ImpressionBatch]:
    return read("impressions", json.dumps({**SHOWN, **fields}).encode())


def left_out(decoded: Decoded[Any]) -> list[tuple[str, str]]:
    return [(part.field, part.reason) for part in decoded.left_out]


@pytest.mark.parametrize("field", ["event_id", "session_id", "value", "context", "unheard_of"])
def test_null_is_as_good_as_not_given(field: str) -> None:
    decoded = event(**{field: None})
    assert (len(decoded.batch), decoded.rejected, decoded.left_out) == (1, [], [])


@pytest.mark.parametrize("field", ["user_id", "item_id", "event_type", "ts"])
def test_null_in_a_required_field_is_a_missing_field(field: str) -> None:
    assert [one.reason for one in event(**{field: None}).rejected] == ["missing_field"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (17, "17"),
        (17.0, "17"),
        (2e16, "20000000000000000"),
        (2**53 + 1, "9007199254740993"),
        (2**64 + 1, "18446744073709551617"),
        (-3, "-3"),
        (1.5, "1.5"),
    ],
)
def test_an_id_that_is_a_number_is_taken_as_text(given: Any, expected: str) -> None:
    batch = event(user_id=given, item_id=given, session_id=given, event_id=given).batch
    assert {c.to_list()[0] for c in (batch.users, batch.items, batch.sessions, batch.event_ids)} == {expected}


@pytest.mark.parametrize("given", [True, [1], {"id": 1}, float("inf"), float("nan"), "\ud83d"])
def test_what_is_neither_text_nor_number_is_no_id(given: Any) -> None:
    assert [one.reason for one in event(user_id=given).rejected] == ["wrong_type"]
    decoded = event(session_id=given)
    assert (decoded.batch.sessions.to_list(), left_out(decoded)) == ([""], [("session_id", "wrong_type")])


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"context": {"device": {"kind": "phone"}, "country": "fr"}}, ("context", "wrong_type")),
        ({"context": ["phone"]}, ("context", "wrong_type")),
        ({"context": {"width": float("nan")}}, ("context", "wrong_type")),
        ({"context": {"title": "cut off \ud83d"}}, ("context", "wrong_type")),
        ({"context": {str(n): n for n in range(33)}}, ("context", "too_many_entries")),
        ({"value": "cheap"}, ("value", "wrong_type")),
        ({"value": {"amount": 3}}, ("value", "wrong_type")),
        ({"value": float("nan")}, ("value", "wrong_type")),
        ({"value": float("inf")}, ("value", "wrong_type")),
        ({"value": 1e300}, ("value", "value_out_of_range")),
        ({"session_id": "s" * 257}, ("session_id", "id_too_long")),
        ({"event_id": "e\0"}, ("event_id", "bad_id")),
    ],
)
def test_an_unusable_optional_part_does_not_cost_the_event(
    fields: dict[str, Any], part: tuple[str, str]
) -> None:
    decoded = event(**fields)
    assert (decoded.batch.items.to_list(), decoded.rejected) == (["i"], [])
    assert left_out(decoded) == [part]
    assert np.isnan(decoded.batch.values[0])


def test_several_parts_may_be_unusable_at_once() -> None:
    decoded = event(value="x", session_id=[], event_id="e" * 300, context={"a": []})
    assert len(decoded.batch) == 1
    assert {field for field, _ in left_out(decoded)} == {"value", "session_id", "event_id", "context"}


def test_a_number_in_quotes_is_a_number() -> None:
    batch = event(ts=str(NOW), value="-2.5e0").batch
    assert (batch.ts.tolist(), batch.values.tolist()) == ([NOW], [-2.5])


@pytest.mark.parametrize("ts", ["yesterday", "1_0", " 1", "nan", "0x10", "", [1], True])
def test_a_time_that_cannot_be_read_is_refused(ts: Any) -> None:
    assert [one.reason for one in event(ts=ts).rejected] == ["wrong_type"]


def test_one_such_record_leaves_the_rest_of_a_large_batch_as_it_is() -> None:
    good = json.dumps(EVENT).encode()
    values: list[bytes | None] = [good] * 50 + [json.dumps({**EVENT, "user_id": 7}).encode()] + [good] * 50
    n = len(values)
    log = Fetched("events", 0, 1, 0, n, [None] * n, values, list(range(n)), [NOW_MS] * n)
    batch = decode("events", log, log.span(), RULES).batch
    assert batch.users.to_list() == ["u"] * 50 + ["7"] + ["u"] * 50


def test_integers_in_the_context_stay_what_they_are() -> None:
    raw = (
        b'{"user_id":"u","item_id":"i","event_type":"v","ts":1,"context":{"order":9007199254740993,"x":5.0}}'
    )
    context = msgspec.json.decode(raw, type=Interaction).context
    assert context == {"order": 9007199254740993, "x": 5.0}
    assert context is not None
    assert isinstance(context["order"], int)


# ---- items ----


def test_null_under_a_key_removes_like_an_empty_value() -> None:
    for value in (b"null", b" null\n", b""):
        decoded = read("items", value)
        assert (decoded.batch.removed, decoded.rejected) == (["i"], [])


def test_what_is_null_in_an_item_is_not_given() -> None:
    (found,) = item(item_id="i", title=None, tags=None, ts=None, available=None).batch.upserts
    assert found == Item("i")


def test_the_key_stands_for_an_item_id_that_is_not_given() -> None:
    assert item(title="Lamp").batch.upserts == [Item("i", "Lamp")]
    assert item(item_id=None, title="Lamp").batch.upserts == [Item("i", "Lamp")]


def test_an_item_id_may_be_a_number() -> None:
    assert item(b"17", item_id=17.0).batch.upserts == [Item("17")]
    assert [one.reason for one in item(b"17", item_id=18).rejected] == ["key_mismatch"]


@pytest.mark.parametrize(
    ("fields", "expected", "part"),
    [
        ({"title": 1984}, Item("i", "1984"), None),
        ({"title": ["Lamp"]}, Item("i"), ("title", "wrong_type")),
        ({"title": "cut off \ud83d"}, Item("i"), ("title", "wrong_type")),
        ({"tags": "red"}, Item("i"), ("tags", "wrong_type")),
        ({"tags": ["red", 5, None, {}]}, Item("i", tags=("red", "5")), ("tags", "wrong_type")),
        ({"tags": ["red", "", "b\0"]}, Item("i", tags=("red",)), ("tags", "empty_id")),
        ({"tags": ["t"] * 65}, Item("i", tags=("t",) * 64), ("tags", "too_many_entries")),
        ({"ts": NOW_MS}, Item("i"), ("ts", "ts_out_of_range")),
        ({"ts": "soon"}, Item("i"), ("ts", "wrong_type")),
        ({"ts": NOW + 1e6}, Item("i", ts=NOW + 1e6), None),
        ({"available": 0}, Item("i", available=False), None),
        ({"available": "False"}, Item("i", available=False), None),
        ({"available": "1"}, Item("i"), None),
        ({"available": " FALSE "}, Item("i", available=False), None),
        ({"available": "no"}, Item("i", available=False), None),
        ({"available": "OUT_OF_STOCK"}, Item("i", available=False), None),
        ({"available": "sold out"}, Item("i", available=False), None),
        ({"available": "https://schema.org/Discontinued"}, Item("i", available=False), None),
        ({"available": "in stock"}, Item("i"), None),
        ({"available": "backorder"}, Item("i"), None),
        ({"available": "off"}, Item("i", available=False), None),
        ({"available": "Yes"}, Item("i"), None),
        ({"available": "", "ts": " ", "tags": ""}, Item("i"), None),
        ({"title": ""}, Item("i"), None),
    ],
)
def test_an_item_keeps_what_is_good_of_it(
    fields: dict[str, Any], expected: Item, part: tuple[str, str] | None
) -> None:
    decoded = item(item_id="i", **fields)
    assert (decoded.batch.upserts, decoded.rejected) == ([expected], [])
    assert left_out(decoded) == ([part] if part else [])


def test_an_item_without_a_time_is_not_too_late() -> None:
    rules = IngestSettings(max_lateness_seconds=60.0)
    assert read("items", b'{"item_id":"i"}', rules=rules).batch.upserts == [Item("i")]


@pytest.mark.parametrize("available", [False, 0, "false", "0", " FALSE ", "no", "OUT_OF_STOCK"])
@pytest.mark.parametrize(
    "beside",
    [
        {"title": None},
        {"title": {"en": "Lamp"}, "tags": "red", "ts": "never"},
        {"title": "x" * 70_000},
        {"tags": [["deep"]], "ts": -5},
        {"item_id": None},
        {"ts": float("nan")},
    ],
)
def test_hiding_an_item_depends_on_nothing_else(available: Any, beside: dict[str, Any]) -> None:
    decoded = item(**{"item_id": "i", "available": available, **beside})
    assert decoded.rejected == []
    assert [(one.item_id, one.available) for one in decoded.batch.upserts] == [("i", False)]


def test_an_item_is_hidden_by_a_record_in_another_encoding_or_without_a_key() -> None:
    latin = '{"item_id":"i","title":"Caf\u00e9","available":false}'.encode("latin-1")
    assert [one.available for one in read("items", latin).batch.upserts] == [False]
    keyless = read("items", b'{"item_id":"i","available":false}', None).batch
    assert [(one.item_id, one.available) for one in keyless.upserts] == [("i", False)]


def test_a_byte_order_mark_costs_nothing() -> None:
    mark = b"\xef\xbb\xbf"
    assert len(read("events", mark + json.dumps(EVENT).encode()).batch) == 1
    assert [one.available for one in read("items", mark + b'{"available":false}').batch.upserts] == [False]
    assert len(read("impressions", mark + json.dumps(SHOWN).encode()).batch) == 1


def test_what_cannot_be_told_hides_nothing() -> None:
    assert [one.reason for one in item(b"j", item_id="i", available=False).rejected] == ["key_mismatch"]
    assert [one.reason for one in item(item_id="i", available="gone").rejected] == ["wrong_type"]
    assert [one.reason for one in read("items", b'{"available":false}', None).rejected] == ["missing_key"]


# ---- impressions ----


@pytest.mark.parametrize(
    ("fields", "items", "part"),
    [
        ({"scenario": None, "variant": None}, ["a", "b"], None),
        ({"slate_id": 7, "items": [1, 2.0]}, ["1", "2"], None),
        ({"scenario": ""}, ["a", "b"], ("scenario", "empty_id")),
        ({"scenario": ["home"]}, ["a", "b"], ("scenario", "wrong_type")),
        ({"variant": "v" * 300}, ["a", "b"], ("variant", "id_too_long")),
        ({"propensities": [0.5]}, ["a", "b"], ("propensities", "propensity_mismatch")),
        ({"propensities": [0.5, 1.5]}, ["a", "b"], ("propensities", "propensity_mismatch")),
        ({"propensities": "even"}, ["a", "b"], ("propensities", "wrong_type")),
        ({"items": ["a", None, "b"]}, ["a", "b"], ("items", "wrong_type")),
        ({"items": ["a", "", "b"], "propensities": None}, ["a", "b"], ("items", "empty_id")),
        ({"items": ["a"] * 201, "propensities": None}, ["a"] * 200, ("items", "too_many_entries")),
    ],
)
def test_an_impression_keeps_what_is_good_of_it(
    fields: dict[str, Any], items: list[str], part: tuple[str, str] | None
) -> None:
    decoded = shown(**fields)
    assert (decoded.batch.items.to_list(), decoded.rejected) == (items, [])
    assert left_out(decoded)[:1] == ([part] if part else [])
    assert decoded.batch.scenarios == ["default"]


@pytest.mark.parametrize("fields", [{"items": None}, {"slate_id": None}, {"user_id": None}])
def test_an_impression_without_what_it_needs_is_refused(fields: dict[str, Any]) -> None:
    assert [one.reason for one in shown(**fields).rejected] == ["missing_field"]


FULL = {
    "title": "A shoe",
    "tags": ["shoes"],
    "ts": -1e9,
    "price": 19.99,
    "available_from": 1_700_000_000,
    "available_until": 1_900_000_000,
    "owner": "acme",
    "description": "Soft.",
    "image": "https://shop/1.jpg",
    "link": "https://shop/1",
    "attributes": {"colour": "red", "sizes": [41, 42.5], "vegan": True, "gone": None},
}


def test_an_item_may_say_all_of_it_also_of_times_before_1970_and_to_come() -> None:
    decoded = item(**FULL)
    assert decoded.left_out == []
    (found,) = decoded.batch.upserts
    assert (found.ts, found.price, found.owner, found.available_until) == (-1e9, 19.99, "acme", 1.9e9)
    assert found.attributes == {"colour": "red", "sizes": (41, 42.5), "vegan": True}
    assert item(ts=NOW + 1e8).left_out == []


@pytest.mark.parametrize("field", [*FULL, "available", "hidden"])
def test_null_is_not_given_in_every_field_of_an_item(field: str) -> None:
    decoded = item(**{**FULL, field: None})
    assert (decoded.rejected, decoded.left_out) == ([], [])
    plain = {name: value for name, value in FULL.items() if name != field}
    assert decoded.batch.upserts == item(**plain).batch.upserts


@pytest.mark.parametrize(
    ("fields", "field", "reason", "left"),
    [
        ({"price": "9,99 EUR"}, "price", "wrong_type", None),
        ({"price": 1e300}, "price", "value_out_of_range", None),
        ({"owner": {"name": "acme"}}, "owner", "wrong_type", None),
        ({"owner": ""}, None, None, ""),
        ({"title": "é" * 5000}, "title", "text_too_long", "é" * 4096),
        ({"image": "x" * 9000}, "image", "text_too_long", None),
        ({"attributes": ["red"]}, "attributes", "wrong_type", None),
        ({"attributes": {"a": {"b": 1}, "c": 1}}, "attributes", "wrong_type", {"c": 1}),
        ({"attributes": {"a": [1, {"b": 1}, "x"]}}, "attributes", "wrong_type", {"a": (1, "x")}),
        ({"attributes": {"a": "x" * 2000, "c": 1}}, "attributes", "text_too_long", {"c": 1}),
        ({"attributes": {"": 1, "c": 1}}, "attributes", "empty_id", {"c": 1}),
        (
            {"attributes": {"a": ["x" * 2000, "y"], "b": True}},
            "attributes",
            "text_too_long",
            {"a": ("y",), "b": True},
        ),
        ({"attributes": {"a": [0] * 40}}, "attributes", "too_many_entries", {"a": (0,) * 32}),
        (
            {"attributes": {f"a{n}": n for n in range(40)}},
            "attributes",
            "too_many_entries",
            {f"a{n}": n for n in range(32)},
        ),
        ({"ts": NOW_MS}, "ts", "ts_out_of_range", 0.0),
        ({"price": "9.5"}, None, None, 9.5),
        ({"owner": 17}, None, None, "17"),
    ],
    ids=repr,
)
def test_an_unusable_part_of_an_item_is_left_out(
    fields: dict[str, Any], field: str | None, reason: str | None, left: Any
) -> None:
    decoded = item(**fields)
    assert left_out(decoded) == ([(field, reason)] if field else [])
    assert getattr(decoded.batch.upserts[0], next(iter(fields))) == left


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1_700_000_000, 1.7e9),
        ("1700000000", 1.7e9),
        ("2023-11-14T22:13:20", 1.7e9),
        ("2023-11-14T23:13:20+01:00", 1.7e9),
        ("2023-11-14", 1_699_920_000.0),
        ("1955-01-01", -473_385_600.0),
    ],
)
def test_a_window_is_given_by_seconds_or_by_dates(given: Any, expected: float) -> None:
    assert item(available_from=given).batch.upserts[0].available_from == expected


@pytest.mark.parametrize(
    "fields", [{"available_until": "soon"}, {"hidden": "perhaps"}, {"available_from": []}]
)
def test_what_decides_whether_an_item_may_be_shown_is_not_guessed(fields: dict[str, Any]) -> None:
    assert [one.reason for one in item(**fields).rejected] == ["wrong_type"]


def test_a_window_in_milliseconds_is_refused_and_one_that_ends_before_it_begins_shows_nothing() -> None:
    assert [one.reason for one in item(available_until=NOW_MS).rejected] == ["ts_out_of_range"]
    decoded = item(available_from=200, available_until=100)
    assert left_out(decoded) == [("available_until", "bad_window")]
    (found,) = decoded.batch.upserts
    assert (found.available_from, found.available_until) == (200, 200)


@pytest.mark.parametrize("fields", [{"hidden": True}, {"hidden": "true"}, {"hidden": 1}, {"available": 0}])
def test_hiding_depends_on_nothing_else(fields: dict[str, Any]) -> None:
    (found,) = item(**fields, available_until="soon").batch.upserts
    assert not found.available or found.hidden
