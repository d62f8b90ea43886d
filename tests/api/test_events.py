"""Events over HTTP: what is acknowledged is on Kafka, what is not says why."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from stream_rec.clock import SystemClock
from stream_rec.schemas.records import Impression, Interaction
from stream_rec.settings import Settings
from tests.api.serving import Serve
from tests.reading import messages, records

now = SystemClock().now


def event(**fields: Any) -> dict[str, Any]:
    return {"user_id": "ann", "item_id": "milk", "event_type": "view", "ts": now(), **fields}


def test_an_event_is_on_kafka_where_the_answer_says(http: httpx.Client, bus: Settings) -> None:
    sent = event(event_id="e1")
    found = http.post("/v1/events", json=sent)
    assert found.status_code == 202
    where = found.json()
    (message,) = messages(bus.bus, "events")
    assert (message.partition(), message.offset()) == (where["partition"], where["offset"])
    assert msgspec.json.decode(message.value(), type=Interaction) == Interaction(**sent)


def test_an_event_without_a_time_happens_now(http: httpx.Client, bus: Settings) -> None:
    before = now()
    sent = event()
    del sent["ts"]
    assert http.post("/v1/events", json=sent).status_code == 202
    (record,) = records(bus.bus, "events", Interaction)
    assert before <= record.ts <= now()


def test_of_a_batch_the_bad_ones_are_refused_and_the_rest_goes_on(http: httpx.Client, bus: Settings) -> None:
    batch = [event(item_id="a"), event(item_id=""), {"user": "x"}, event(item_id="b", value="dear")]
    found = http.post("/v1/events/batch", json=batch)
    assert found.status_code == 202
    told = found.json()
    assert (told["accepted"], told["refused"]) == (2, 2)
    first, second, third, last = told["results"]
    assert second["status"] == 422
    assert second["reason"] == "empty_id"
    assert third["reason"] == "missing_field"
    assert "user_id" in third["fix"]
    assert last["left_out"] == ["value: wrong_type"]
    where = {(each.partition(), each.offset()) for each in messages(bus.bus, "events")}
    assert where == {(each["partition"], each["offset"]) for each in (first, last)}


def test_a_batch_of_nothing_usable_is_refused(http: httpx.Client) -> None:
    found = http.post("/v1/events/batch", json=[{}])
    assert found.status_code == 422
    assert found.json()["refused"] == 1


def test_an_impression_is_on_kafka(http: httpx.Client, bus: Settings) -> None:
    shown = {"slate_id": "s1", "user_id": "ann", "ts": now(), "items": ["milk", "bread"]}
    assert http.post("/v1/impressions", json=shown).status_code == 202
    (record,) = records(bus.bus, "impressions", Impression)
    assert record.items == ("milk", "bread")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 422, "refused"),
        (b"{", 422, "refused"),
        (b"[]", 422, "refused"),
        (b"\xff", 422, "refused"),
        (b"[" * 100_000, 422, "refused"),
        (b"x" * 1_048_577, 413, "too-large"),
    ],
)
def test_a_body_that_is_no_event_is_a_problem(
    http: httpx.Client, body: bytes, status: int, kind: str
) -> None:
    found = http.post("/v1/events", content=body)
    assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json")
    problem = found.json()
    assert problem["type"] == f"urn:stream-rec:problem:{kind}"
    assert problem["request_id"] == found.headers["x-request-id"]


def test_a_batch_beyond_the_bound_is_refused_whole(http: httpx.Client, bus: Settings) -> None:
    found = http.post("/v1/events/batch", json=[{}] * (bus.serve.max_batch + 1))
    assert found.status_code == 413


def test_a_server_without_kafka_says_so(serve: Serve, bus: Settings) -> None:
    alone = bus.model_copy(update={"bus": bus.bus.model_copy(update={"bootstrap": ""})})
    found = serve(alone).post("/v1/events", json=event())
    assert found.status_code == 501
    assert found.json()["fix"] == "set bus.bootstrap"


def test_a_kafka_that_is_away_is_a_503(serve: Serve, bus: Settings) -> None:
    settings = bus.model_copy(
        update={
            "bus": bus.bus.model_copy(update={"bootstrap": "127.0.0.1:1"}),
            "serve": bus.serve.model_copy(update={"publish_timeout_seconds": 0.5}),
        }
    )
    found = serve(settings).post("/v1/events", json=event())
    assert found.status_code == 503
    assert found.headers["retry-after"] == "1"
    assert found.json()["type"].endswith("unavailable")


def test_a_full_queue_is_a_429_and_nothing_overtakes(serve: Serve, bus: Settings) -> None:
    short = bus.bus.model_copy(update={"publish_queue_records": 1, "publish_linger_ms": 500.0})
    http = serve(bus.model_copy(update={"bus": short}))
    found = http.post("/v1/events/batch", json=[event(event_id=str(i)) for i in range(3)])
    assert found.status_code == 202
    told = found.json()
    assert told["accepted"] == 1
    assert [each.get("status") for each in told["results"]] == [202, 429, 429]
    assert len(messages(bus.bus, "events")) == 1


def test_a_missing_topic_is_named(serve: Serve, tansu_settings: Settings) -> None:
    found = serve(tansu_settings).post("/v1/events", json=event())
    assert found.status_code == 503
    assert found.json()["type"].endswith("misconfigured")
    assert tansu_settings.bus.prefix in found.json()["detail"]
