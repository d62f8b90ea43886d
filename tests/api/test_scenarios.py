"""Scenarios over HTTP: what is decided is on `control`, and mistakes are named."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
import redis

from stream_rec.schemas.records import Control
from stream_rec.schemas.scenario_reads import KnownNames
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.settings import Settings
from stream_rec.store.keys import Keys
from tests.reading import messages, records


def test_a_scenario_is_put_read_and_taken_back(http: httpx.Client, bus: Settings) -> None:
    assert list(http.get("/v1/scenarios").json()) == ["default"]
    assert http.get("/v1/scenarios/home").status_code == 404
    put = http.put("/v1/scenarios/home", json={"k": 12, "filter": "price < 100.0"})
    assert put.json() == {"offset": 0}
    assert http.put("/v1/scenarios/home", json={"k": 12, "filter": "price < 100.0"}).json() == {"offset": -1}
    found = http.get("/v1/scenarios/home").json()
    assert found["scenario"] == {"k": 12, "filter": "price < 100.0"}
    assert http.delete("/v1/scenarios/home").json() == {"offset": 1}
    assert http.delete("/v1/scenarios/home").status_code == 404
    assert [message.value() is None for message in messages(bus.bus, "control")] == [False, True]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"fitler": "x"}, "body fitler"),
        ({"k": 0}, "body k"),
        ({"boosts": [{"when": "price <", "factor": 2.0}]}, "body boosts[0].when"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_decided(
    http: httpx.Client, bus: Settings, body: dict[str, Any], where: str
) -> None:
    found = http.put("/v1/scenarios/home", json=body)
    assert found.status_code == 422
    assert found.json()["where"] == where
    assert records(bus.bus, "control", Control) == []


def test_a_rule_that_asks_for_what_no_item_has_is_put_in_force_with_a_warning(
    http: httpx.Client, bus: Settings
) -> None:
    with redis.Redis.from_url(bus.store.url) as client:
        client.set(Keys(bus.store.prefix).catalogue, msgspec.json.encode(KnownNames(3, ("price",))))
    found = http.put("/v1/scenarios/home", json={"filter": "in_stock == true"}).json()
    assert found["offset"] == 0
    (said,) = found["warnings"]
    assert said.startswith("filter: no item of the catalogue has 'in_stock'")


def test_a_name_that_is_none_is_refused(http: httpx.Client) -> None:
    assert http.put("/v1/scenarios/a%20b", json={}).status_code == 422


def test_lag_is_that_of_every_partition(http: httpx.Client) -> None:
    http.post("/v1/events", json={"user_id": "ann", "item_id": "a", "event_type": "view"})
    found = http.get("/v1/lag").json()
    assert found["total"] == 1
    assert {line["topic"] for line in found["partitions"]} == set(FOLLOWED)
