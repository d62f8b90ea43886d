"""Messages as vendors and connectors write them, beyond the samples."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from stream_rec.errors import ConfigError
from stream_rec.schemas.records import Interaction
from stream_rec.shapes.messages import RawMessage
from stream_rec.shapes.sampling import Guess, of_messages

TS = 1_700_000_000.25


def guessed(*bodies: object, key: bytes | None = None) -> Guess:
    return of_messages(
        [RawMessage(msgspec.json.encode(body), key, {}, 1, "t", 0, n) for n, body in enumerate(bodies)]
    )


def events(found: Guess) -> list[tuple[Any, ...]]:
    records = [one for one in found.records if isinstance(one, Interaction)]
    return [(one.user_id, one.item_id, one.event_type, one.value) for one in records]


def bytes_of(number: int) -> str:
    return base64.b64encode(number.to_bytes(2, signed=True)).decode()


DECIMAL = "org.apache.kafka.connect.data.Decimal"
FIELDS = [
    {"field": "customer_id", "type": "bytes", "name": DECIMAL, "version": 1, "parameters": {"scale": "0"}},
    {"field": "product_id", "type": "struct", "name": "io.debezium.data.VariableScaleDecimal", "fields": []},
    {"field": "price", "type": "bytes", "name": DECIMAL, "version": 1, "parameters": {"scale": "2"}},
    {"field": "created_at", "type": "int64", "name": "io.debezium.time.MicroTimestamp"},
]
ROW = {
    "customer_id": bytes_of(4711),
    "product_id": {"scale": 0, "value": bytes_of(300)},
    "price": bytes_of(-1999),
    "created_at": 1_700_000_000_250_000,
}


def test_decimals_of_connect_are_numbers_by_their_schema() -> None:
    schema = {"type": "struct", "fields": FIELDS}
    assert events(guessed({"schema": schema, "payload": ROW})) == [("4711", "300", "view", -19.99)]


def test_so_are_those_of_a_row_of_debezium() -> None:
    schema = {"type": "struct", "fields": [{"type": "struct", "field": "after", "fields": FIELDS}]}
    found = guessed({"schema": schema, "payload": {"before": None, "after": ROW, "op": "c", "source": {}}})
    assert (found.preset, events(found)) == ("debezium", [("4711", "300", "view", None)])


def test_what_is_not_set_in_ga4_is_no_item() -> None:
    items = [{"item_id": "(not set)", "item_name": "(not set)"}, {"item_id": "(not set)", "item_name": "Tee"}]
    event = {"event_name": "view_item", "event_timestamp": "1700000000250000", "user_pseudo_id": "p"}
    found = guessed({**event, "items": [*items, {"item_id": "17", "price": 2.0}]})
    assert events(found) == [("p", "Tee", "view", None), ("p", "17", "view", 2.0)]
    assert [reason for reason, _, _ in found.refused] == ["null_word"]


def test_a_product_of_segment_may_have_only_its_sku() -> None:
    call = {"type": "track", "messageId": "m", "userId": "u", "timestamp": "2023-11-14T22:13:20.250Z"}
    viewed = {**call, "event": "Product Viewed", "properties": {"sku": "G-32"}}
    ordered = {
        **call,
        "event": "Order Completed",
        "properties": {"products": [{"product_id": "a"}, {"sku": "b"}]},
    }
    assert events(guessed(viewed, ordered)) == [
        ("u", "G-32", "view", None), ("u", "a", "purchase", None), ("u", "b", "purchase", None),
    ]  # fmt: skip


def test_an_item_of_personalize_may_stand_in_its_properties() -> None:
    event = {"eventType": "click", "properties": '{"itemId": "i"}', "sentAt": 1_700_000_000}
    assert events(guessed({"userId": "u", "sessionId": "s", "eventList": [event]})) == [
        ("u", "i", "click", None)
    ]


def test_requests_of_a_batch_of_recombee_are_of_the_type_of_their_path() -> None:
    def request(path: str, **more: object) -> dict[str, object]:
        return {
            "method": "POST",
            "path": path,
            "params": {"userId": "u", "itemId": "i", "timestamp": TS, **more},
        }

    found = guessed(
        {"requests": [request("/detailviews/"), request("/purchases/", amount=2), request("/items/i")]}
    )
    assert (found.preset, events(found)) == (
        "recombee-batch",
        [("u", "i", "view", None), ("u", "i", "purchase", 2.0)],
    )


def test_our_own_fields_keep_a_type_of_another_name() -> None:
    found = guessed({"userId": "u", "itemId": "i", "action": "buy", "timestamp": TS})
    assert (found.preset, events(found)) == ("native", [("u", "i", "buy", None)])


def test_events_in_an_envelope_have_their_names_as_types() -> None:
    body = {"user_id": "u", "events": [{"name": "view", "item": {"id": "a"}, "time": TS}]}
    assert events(guessed(body)) == [("u", "a", "view", None)]


def test_a_key_that_no_field_repeats_may_be_the_user() -> None:
    found = guessed({"itemId": "i", "action": "click", "ts": TS}, key=b"ann")
    assert events(found) == [("ann", "i", "click", None)]
    assert "key is taken" in found.note
    with pytest.raises(ConfigError, match="looks like user_id"):
        guessed({"itemId": "i", "ts": TS}, key=b"i")


AT = "2023-11-14T22:13:20.250Z"
OWN_ROW = {"uid": 5, "sku": "x", "created_at": AT}
USUAL_ROW = {"user_id": 5, "item_id": "x", "created_at": AT, "action": "cart"}


def debezium(row: dict[str, Any], op: str) -> dict[str, Any]:
    return {
        "op": op,
        "before": row if op in "ud" else None,
        "after": None if op == "d" else row,
        "source": {},
    }


def maxwell(row: dict[str, Any], op: str) -> dict[str, Any]:
    kind = {"c": "insert", "u": "update", "d": "delete"}[op]
    return {"database": "shop", "table": "events", "type": kind, "ts": 1_700_000_005, "data": row}


def canal(row: dict[str, Any], op: str) -> dict[str, Any]:
    return {**maxwell([row], op), "type": maxwell(row, op)["type"].upper(), "isDdl": False}  # type: ignore[arg-type]


def dms(row: dict[str, Any], op: str) -> dict[str, Any]:
    return {
        "data": row,
        "metadata": {"operation": maxwell(row, op)["type"], "record-type": "data", "timestamp": AT},
    }


@pytest.mark.parametrize("change", [debezium, maxwell, canal, dms])
def test_only_rows_that_were_inserted_are_events_whatever_the_columns_are(change: Any) -> None:
    for row, kind in ((USUAL_ROW, "cart"), (OWN_ROW, "view")):
        found = guessed(*(change(row, op) for op in "cud"))
        assert (found.preset, events(found)) == (change.__name__, [("5", "x", kind, None)])
        assert [one.ts for one in found.records if isinstance(one, Interaction)] == [TS]
