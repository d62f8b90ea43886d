"""The straight way says the same as the other one, and gives up its bets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stream_rec.schemas.records import Interaction
from stream_rec.settings import ShapeSettings
from stream_rec.shapes import mapper, straight
from stream_rec.shapes.mapper import Mapper, compile_shape
from stream_rec.shapes.messages import RawMessage, Refused

SEGMENT: dict[str, Any] = {
    "type": "track",
    "event": "Product Viewed",
    "userId": "ann",
    "anonymousId": "guest",
    "messageId": "m-1",
    "timestamp": "2023-11-14T22:13:20.250Z",
    "receivedAt": "2023-11-14T22:13:21Z",
    "properties": {"product_id": "i-1", "price": 18.99},
    "context": {"sessionId": "s-1"},
}
DEBEZIUM: dict[str, Any] = {
    "op": "c", "after": {"user_id": 17, "product_id": 88, "action": "view", "created_at": 1700000000250000},
}  # fmt: skip
NATIVE: dict[str, Any] = {"user_id": "ann", "item_id": "i-1", "event_type": "view", "ts": 1700000000.25}
ODD = [
    None, "", "NULL", "0", 0, -1, 17, 17.0, 1.5, True, [], {}, {"x": 1}, "Product Shared",
    "2023-11-14T22:13:20", "2023-11-14 22:13:20 UTC", "2023-11-14T22:13:20+02:00", "1969-01-01T00:00:00Z",
    "1700000000", 1700000000, 1700000000250, 3e15, [{"product_id": "i-2", "price": 3}, {"productId": "i-3"}],
]  # fmt: skip


def crooked(preset: str, monkeypatch: pytest.MonkeyPatch) -> Mapper:
    """A mapper that has no straight way."""
    with monkeypatch.context() as patch:
        patch.setattr(straight, "of_messages", lambda *_: None)
        patch.setattr(straight, "of_bodies", lambda *_: None)
        patch.setattr(straight, "expected", lambda *_: {})
        return compile_shape(ShapeSettings(preset=preset))


def variations(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The body with each of its members, at any depth, absent or of each odd value."""
    found = [body]
    for name, value in body.items():
        found.append({key: each for key, each in body.items() if key != name})
        found += [body | {name: odd} for odd in ODD]
        if isinstance(value, dict):
            found += [body | {name: inner} for inner in variations(value)]
    return found


POSTHOG: dict[str, Any] = {
    "uuid": "p-1", "event": "Product Viewed", "distinct_id": "ann", "timestamp": "2023-11-14T22:13:20.250Z",
    "properties": {"$session_id": "s", "product_id": 17, "price": 9},
}  # fmt: skip


@pytest.mark.parametrize(
    ("preset", "body"),
    [("segment", SEGMENT), ("debezium", DEBEZIUM), ("native", NATIVE), ("posthog", POSTHOG)],
)
def test_both_ways_make_the_same_of_any_message(
    preset: str, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick, slow = compile_shape(ShapeSettings(preset=preset)), crooked(preset, monkeypatch)
    more = variations(body | {"properties": {"products": ODD[-1]}}) if preset == "segment" else []
    for each in variations(body) + more:
        message = RawMessage(json.dumps(each).encode(), b"k", {}, -1, "t", 2, 7)
        assert quick.records(message) == slow.records(message), each


def test_a_bet_that_is_lost_too_often_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapper, "MAX_LOST", 3)
    read = compile_shape(ShapeSettings(preset="native"))
    odd = RawMessage(json.dumps(NATIVE | {"ts": "2023-11-14 22:13:20 UTC"}).encode())
    ways = []
    for _ in range(7):
        ways.append(read.records)
        [found] = read.records(odd)
        assert isinstance(found, Interaction)
        assert found.ts == 1700000000.0
    assert ways[0] is ways[2] is not ways[3]
    assert ways[3] is ways[6]


@pytest.mark.parametrize("value", [None, b"", b"{", b"\xff", b"17", b"[]", b'"x"'])
def test_what_is_no_message_is_refused_with_the_same_words_on_both_ways(
    value: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = RawMessage(value)
    [found] = compile_shape(ShapeSettings(preset="segment")).records(message)
    assert isinstance(found, Refused)
    assert [found] == crooked("segment", monkeypatch).records(message)
