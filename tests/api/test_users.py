"""Users over HTTP: forgotten, and merged."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from stream_rec.clock import SystemClock
from stream_rec.kernels.ids import hash_id
from stream_rec.schemas.decisions import hash_name, name_about
from stream_rec.schemas.records import Control, Reason, Slate, SlateItem
from stream_rec.settings import Settings
from stream_rec.store.encoding import encode_items, encode_slates
from stream_rec.store.keys import NEVER
from tests.reading import records
from tests.store.building import Stores, as_of, slate, slates, with_stores


def test_a_forgotten_users_slates_are_gone_and_the_receipt_says_so(http: httpx.Client, bus: Settings) -> None:
    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(5), ["a"])])

    with_stores(bus.store, story)
    plan = http.delete("/v1/users/ann", params={"dry_run": "true"}).json()
    assert plan["offset"] == -1
    receipt = http.delete("/v1/users/ann", params={"wait": 0}).json()
    assert receipt["user_hash"] == name_about("ann")
    assert {"name": "redis", "removed": "1 slates", "waits": "", "until": 0.0} in receipt["stores"]
    (record,) = records(bus.bus, "control", Control)
    assert (record.kind, record.name) == ("erasure", name_about("ann"))
    assert http.get("/v1/users/ann/recommendations").json()["origin"] == "none"


def test_a_visitor_who_became_a_user_is_not_forgotten_alone(http: httpx.Client) -> None:
    assert http.post("/v1/users/ann/merge", json={"visitor_id": "v-17"}).status_code == 202
    for params in ({"dry_run": "true"}, {"wait": "0"}):
        refused = http.delete("/v1/users/v-17", params=params)
        assert refused.status_code == 422
        assert (refused.json()["where"], refused.json()["fix"].split()[-1]) == ("path user_id", "ann")


def test_without_the_engine_a_profile_is_what_redis_holds(http: httpx.Client, bus: Settings) -> None:
    (in_arm,) = encode_slates(
        ["ann"],
        [encode_items([SlateItem(each, 1.0, Reason("popularity")) for each in "ab"])],
        as_of=as_of(5),
        scenario="default",
        model="m1",
        created_ts=SystemClock().now() - 300.0,
        tried=[("front", "blue", 0.5)],
    )
    made = msgspec.json.decode(in_arm.json, type=Slate)

    async def story(my: Stores) -> None:
        await my.slates.write([in_arm, *slates(["ann"], as_of(5), ["c"], scenario=NEVER)])

    with_stores(bus.store, story)
    found = http.get("/v1/users/ann/profile").json()
    (standing,) = found["slates"]
    age = standing.pop("age_seconds")
    assert age == pytest.approx(300.0, abs=120)
    assert standing == {
        "scenario": "default",
        "slate_id": made.slate_id,
        "n_items": 2,
        "created_ts": made.created_ts,
        "experiment": "front",
        "variant": "blue",
    }
    assert found["arms"] == [{"scenario": "default", "experiment": "front", "variant": "blue"}]
    assert found["nevers"] == ["c"]
    assert "history" not in found
    assert http.get("/v1/users/ann/profile", params={"after": "0:9", "timeout": 0}).json()["stale"]
    assert http.get("/v1/users/bob/profile").json() == {
        "user_id": "bob",
        "slates": [],
        "arms": [],
        "nevers": [],
    }
    refused = http.get("/v1/users/ann/profile", params={"fields": "title"})
    assert (refused.status_code, refused.json()["type"]) == (501, "urn:stream-rec:problem:needs-live")


def test_a_visitor_becomes_a_user(http: httpx.Client, bus: Settings) -> None:
    assert http.post("/v1/users/ann/merge", json={"visitor_id": "v-17"}).status_code == 202
    (record,) = records(bus.bus, "control", Control)
    assert (record.kind, record.name, record.body) == ("merge", name_about("v-17"), {"user_id": "ann"})


def test_a_user_is_no_visitor_of_himself(http: httpx.Client) -> None:
    assert http.post("/v1/users/ann/merge", json={"visitor_id": "ann"}).status_code == 422
    assert http.post("/v1/users/ann/merge", json={"visitor": "v"}).status_code == 422


def test_a_decision_about_a_user_has_the_name_that_workers_know() -> None:
    for user_id in ("ann", "änn/1", "x" * 300, "\N{GRINNING FACE}"):
        assert name_about(user_id) == hash_name(hash_id(user_id))
