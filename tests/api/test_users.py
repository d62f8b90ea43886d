"""Users over HTTP: forgotten, and merged."""

from __future__ import annotations

import httpx

from stream_rec.kernels.ids import hash_id
from stream_rec.schemas.decisions import hash_name, name_about
from stream_rec.schemas.records import Control
from stream_rec.settings import Settings
from tests.reading import records
from tests.store.building import Stores, as_of, slate, with_stores


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
