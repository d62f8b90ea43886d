"""The catalogue over HTTP: what is on the topic `items` afterwards."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from stream_rec.bus.item_log import last_record
from stream_rec.schemas.records import Item, Vector
from stream_rec.settings import Settings
from tests.reading import messages, records


def test_an_item_is_what_was_put_last(http: httpx.Client, bus: Settings) -> None:
    assert http.put("/v1/items/milk", json={"title": "Milk", "price": 1.2}).status_code == 202
    assert http.put("/v1/items/milk", json={"item_id": "milk", "tags": ["dairy"]}).status_code == 202
    assert records(bus.bus, "items", Item)[-1] == Item("milk", tags=("dairy",))


def test_a_patch_changes_what_it_names(http: httpx.Client, bus: Settings) -> None:
    http.put("/v1/items/milk", json={"title": "Milk", "price": 1.2, "attributes": {"fat": 3.5, "bio": True}})
    found = http.patch("/v1/items/milk", json={"price": None, "attributes": {"fat": 1.5}, "owner": "farm"})
    assert found.status_code == 202
    assert records(bus.bus, "items", Item)[-1] == Item(
        "milk", title="Milk", owner="farm", attributes={"fat": 1.5, "bio": True}
    )


def test_a_patch_of_what_is_not_there_is_not_found(http: httpx.Client) -> None:
    assert http.patch("/v1/items/milk", json={"price": 1.0}).status_code == 404
    http.put("/v1/items/milk", json={})
    http.delete("/v1/items/milk")
    assert http.patch("/v1/items/milk", json={"price": 1.0}).status_code == 404


def test_a_deleted_item_is_gone(http: httpx.Client, bus: Settings) -> None:
    http.put("/v1/items/a%2Fb", json={"title": "x"})
    assert http.delete("/v1/items/a%2Fb").status_code == 202
    found = last_record(bus.bus, "a/b")
    assert found is not None
    assert found[3] is None


def test_many_items_at_once(http: httpx.Client, bus: Settings) -> None:
    told = http.post("/v1/items/batch", json=[{"item_id": "a"}, {"title": "?"}, {"item_id": "b"}]).json()
    assert [each["status"] for each in told["results"]] == [202, 422, 202]
    told = http.post("/v1/items/batch/delete", json=["a", ""]).json()
    assert [each["status"] for each in told["results"]] == [202, 422]
    values = {message.key(): message.value() for message in messages(bus.bus, "items")}
    assert values[b"a"] is None
    assert values[b"b"]


def test_many_vectors_at_once(http: httpx.Client, bus: Settings) -> None:
    wanted = [
        {"space": "text", "item_id": "a/b", "values": [0.5, -1]},
        {"space": "content", "item_id": "a", "values": [1.0]},
        {"space": "text", "item_id": "c", "values": [0.0, 0.0]},
        {"space": "text", "item_id": "d", "values": [0.25, 1e-3]},
    ]
    told = http.post("/v1/vectors/batch", json=wanted).json()
    assert [each["status"] for each in told["results"]] == [202, 422, 422, 202]
    assert [each.get("reason") for each in told["results"]] == [None, "reserved_space", "bad_vector", None]
    names = [{"space": "text", "item_id": "d"}, {"space": "no/name", "item_id": "d"}]
    told = http.post("/v1/vectors/batch/delete", json=names).json()
    assert [each["status"] for each in told["results"]] == [202, 422]
    values = {message.key(): message.value() for message in messages(bus.bus, "vectors")}
    assert values.keys() == {b"text/a/b", b"text/d"}
    assert values[b"text/d"] is None
    assert msgspec.json.decode(values[b"text/a/b"] or b"", type=Vector) == Vector("text", "a/b", (0.5, -1.0))


@pytest.mark.parametrize("body", [b"", b"null", b'{"item_id":"other"}', b"[]", b'{"hidden":"perhaps"}'])
def test_what_is_no_item_is_refused(http: httpx.Client, body: bytes) -> None:
    found = http.put("/v1/items/milk", content=body)
    assert found.status_code == 422
    assert found.json()["where"] == "body"
