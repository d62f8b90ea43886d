"""Scenarios over HTTP: what is decided is on `control`, and mistakes are named."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import psutil
import pytest
import redis

from stream_rec.schemas.records import Control
from stream_rec.schemas.scenario_reads import KnownNames
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.sdk.preview import Tried
from stream_rec.serve.previews import in_words
from stream_rec.settings import Settings
from stream_rec.store.keys import Keys
from tests.api.serving import Serve
from tests.consumers.publishing import clicks, publish_events
from tests.reading import messages, records
from tests.waiting import wait_until


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


PATIENCE_SECONDS = 280.0
"""An engine is started and learns, beside other tests."""


def test_a_scenario_is_tried_on_a_user_and_nothing_is_applied(serve: Serve, bus: Settings) -> None:
    publish_events(bus.bus, clicks(120, users=6))
    patient = bus.serve.model_copy(update={"slow_timeout_seconds": PATIENCE_SECONDS})
    http = serve(bus.model_copy(update={"serve": patient}))
    assert http.put("/v1/scenarios/home", json={"k": 5}).status_code == 200
    wish = {"user_id": "u1", "scenario": {"k": 3, "hides": [{"items": ["i1"]}]}}
    found = http.post("/v1/scenarios/home/preview", json=wish, timeout=PATIENCE_SECONDS)
    assert found.status_code == 200, found.text
    tried = msgspec.json.decode(found.content, type=Tried)
    assert (tried.user_id, tried.scenario, tried.is_on) == ("u1", "home", True)
    assert tried.engine == "as of 121 records of the log"
    assert tried.before is not None
    assert (len(tried.before), len(tried.after)) == (5, 3)
    assert "i1" not in tried.after
    assert [line.partition(":")[0] for line in tried.changes] == ["k", "hides"]
    assert [each.item_id for each in tried.explained] == [each.item_id for each in tried.moved]
    told = {each.rule: in_words(each) for each in tried.effects}
    assert list(told) == ["k", "hides[0]"]
    assert told["k"].startswith("takes out ")
    assert len(records(bus.bus, "control", Control)) == 1


def test_a_preview_takes_what_a_scenario_may_be(http: httpx.Client) -> None:
    url = "/v1/scenarios/home/preview"
    for body, where in (
        ({"scenario": {}}, "body"),
        ({"user_id": "", "scenario": {}}, "body user_id"),
        ({"user_id": "ann", "scenario": {"k": 0}}, "body scenario.k"),
        ({"user_id": "ann", "scenario": {}, "more": 1}, "body more"),
    ):
        found = http.post(url, json=body)
        assert (found.status_code, found.json()["where"]) == (422, where)
    assert (
        http.post("/v1/scenarios/_home/preview", json={"user_id": "ann", "scenario": {}}).status_code == 422
    )


def test_a_server_without_the_memory_makes_no_previews(serve: Serve, bus: Settings) -> None:
    http = serve(bus.model_copy(update={"serve": bus.serve.model_copy(update={"previews": False})}))
    found = http.post("/v1/scenarios/home/preview", json={"user_id": "ann", "scenario": {}})
    assert (found.status_code, found.json()["type"]) == (501, "urn:stream-rec:problem:not-set-up")


def test_one_preview_at_a_time_and_none_for_longer_than_it_may_take(serve: Serve, bus: Settings) -> None:
    limits = {"max_engine_waiting": 0, "slow_timeout_seconds": 1.0}
    http = serve(bus.model_copy(update={"serve": bus.serve.model_copy(update=limits)}))
    wish = {"user_id": "u1", "scenario": {"k": 3}}
    with ThreadPoolExecutor(3) as pool:
        sent = [pool.submit(http.post, "/v1/scenarios/home/preview", json=wish) for _ in range(3)]
        found = [each.result() for each in sent]
    assert {each.status_code for each in found} == {503, 504}
    for each in found:
        assert each.json()["type"].rpartition(":")[2] == ("late" if each.status_code == 504 else "busy")
        assert each.headers["retry-after"] == "1"
    mine = psutil.Process()
    wait_until(lambda: not any("engine_process" in " ".join(each.cmdline()) for each in mine.children()), 60)


def test_lag_is_that_of_every_partition(http: httpx.Client) -> None:
    http.post("/v1/events", json={"user_id": "ann", "item_id": "a", "event_type": "view"})
    found = http.get("/v1/lag").json()
    assert found["total"] == 1
    assert {line["topic"] for line in found["partitions"]} == set(FOLLOWED)
