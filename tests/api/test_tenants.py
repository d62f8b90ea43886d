"""Tenants that share a Redis: whatever is asked with one's key, nothing of another's is in the answer."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stream_rec.api.server import HttpServer
from stream_rec.bus.topics import ensure_topics
from stream_rec.errors import ConfigError
from stream_rec.settings import Settings
from stream_rec.settings.tenants import of_tenant
from tests.api.serving import READY_SECONDS, Serve, live, served, until_ready
from tests.api.test_access import bearer, make
from tests.store.building import Stores, as_of, slate, with_stores
from tests.store.test_lists import Row
from tests.waiting import wait_until

SECRET = "secret-of-b"
READS = "/v1/users/ann/recommendations"
PARTS = [
    "b-",
    "a-",
    "rec",
    "default",
    "similar",
    "popular",
    "trending",
    "new",
    "api-keys",
    "ann",
    "tea",
    ":",
    "/",
    "..",
    "*",
]
IDS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join) | st.text(min_size=1, max_size=20)


def of(tenant: str, bus: Settings) -> Settings:
    """The same servers, with keys and topics of its own."""
    return bus.model_copy(
        update={
            "bus": bus.bus.model_copy(update={"bootstrap": ""}),
            "store": bus.store.model_copy(update={"prefix": tenant}),
            "serve": bus.serve.model_copy(update={"key_seconds": 0.0}),
        }
    )


def stock(settings: Settings, item: str) -> None:
    """Every kind of key that a worker writes, for user and item `ann`, with this item in it."""

    async def story(my: Stores) -> None:
        at, row = as_of(5), Row([item])
        await my.slates.write([slate("ann", at, [item])])
        for tag in ("", "tea"):
            await my.lists.write_tops(
                {"popular": row, "trending": row, "new": row}, as_of=at, model="m", tag=tag
            )
        await my.lists.write_similar({"ann": row}, as_of=at, model="m")
        await my.lists.write_scenarios(["default"])

    with_stores(settings.store, story)


def reads(one: str, other: str) -> list[tuple[str, str, Any]]:
    """Every read, with these ids."""
    path = quote(one, safe="").replace(".", "%2E")  # httpx takes `..` for the folder above
    return [
        ("GET", f"/v1/users/{path}/recommendations", None),
        ("GET", f"/v1/users/{path}/recommendations?scenario={quote(other, safe='')}&paged=true", None),
        ("GET", f"/v1/items/{path}/similar", None),
        ("GET", f"/v1/users/{path}/profile", None),
        *(("GET", f"/v1/lists/{name}?tag={path}", None) for name in ("popular", "trending", "new")),
        ("POST", "/v1/sessions/recommendations", {"items": [one], "negatives": [other]}),
        ("POST", "/v1/pages", {"user_id": one, "rails": [{}, {"scenario": other}]}),
    ]


def test_a_key_of_one_tenant_never_reads_anothers(bus: Settings) -> None:
    for mine in ("", "a-"):
        a, b = of(mine, bus), of("b-", bus)
        stock(a, "of-a")
        stock(b, SECRET)
        with ExitStack() as running:
            url_a, url_b = (running.enter_context(served(each)) for each in (a, b))
            http = running.enter_context(httpx.Client(timeout=30))
            key_a, key_b = (bearer(make(each, "admin", name=f"k{mine}")[1]) for each in (a, b))
            seen = http.get(f"{url_b}/v1/users/ann/recommendations", headers=key_b).text
            assert SECRET in seen

            @given(one=IDS, other=IDS)
            @example(one="ann", other="default")
            @hypothesis_settings(
                max_examples=40,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            def never(one: str, other: str) -> None:
                for method, path, body in reads(one, other):
                    found = http.request(method, url_a + path, json=body, headers=key_a)  # noqa: B023
                    assert found.status_code in (200, 404, 422), found.text
                    assert SECRET not in found.text
                    assert http.request(method, url_b + path, json=body, headers=key_a).status_code == 401  # noqa: B023

            never()


def test_one_server_answers_each_tenant_by_its_key(bus: Settings) -> None:
    names = ("a", "b")
    own = of("", bus)
    whole = own.model_copy(update={"serve": own.serve.model_copy(update={"tenants": names})})
    its = {name: of_tenant(own, name) for name in names}
    keys = {name: bearer(make(each, "read", name=name)[1]) for name, each in its.items()}
    for name, each in its.items():
        stock(each, f"secret-of-{name}")
    with served(whole) as url, httpx.Client(timeout=30, base_url=url) as http:
        for name, other in (("a", "b"), ("b", "a")):
            for method, path, body in reads("ann", "default"):
                found = http.request(method, path, json=body, headers=keys[name])
                assert found.status_code == 200
                assert f"secret-of-{other}" not in found.text
            assert f"secret-of-{name}" in http.get(READS, headers=keys[name]).text
        assert "secret-of" not in http.get(READS).text  # without a key it is the own tenant's
        key_id, secret = make(its["a"], "read", name="wrong")[1].removeprefix("srk_").split("_", 1)
        assert http.get(READS, headers=bearer(f"srk_{key_id}_{secret[::-1]}")).status_code == 401
        assert http.get(READS, headers=bearer(f"srk_{'0' * 12}_{secret}")).status_code == 401
        answered = http.get("/metrics").text
    assert 'route="/v1/users/{user_id}/recommendations",status="401"' in answered


def test_a_live_server_holds_one_engine_for_each_tenant(serve: Serve, bus: Settings) -> None:
    names = ("a", "b")
    its = {name: of_tenant(bus, name) for name in names}
    keys = {name: bearer(make(each, "read", "publish", name=name)[1]) for name, each in its.items()}
    for each in its.values():
        ensure_topics(each.bus)
    http = until_ready(serve(live(bus, tenants=names, max_live_engines=3, live_within_records=0)))
    for name, key in keys.items():
        events = [
            {"user_id": f"u{n % 3}", "item_id": f"{name}{n % 5}", "event_type": "view"} for n in range(15)
        ]
        assert http.post("/v1/events/batch", json=events, headers=key).json()["accepted"] == 15
    learned = [
        f'stream_rec_live_events_learned{{tenant="{name}"}} {n}' for name, n in (("", 0.0), ("a", 15.0))
    ]
    wait_until(lambda: all(each in http.get("/metrics").text for each in learned), 120)
    for name, key in keys.items():

        def found(key: dict[str, str] = key) -> list[str]:
            items = http.post("/v1/rank", json={"items": ["a1", "b1"], "user_id": "u1"}, headers=key).json()
            return [each["item_id"] for each in items["items"] if each["reason"]["source"] == "ranker"]

        wait_until(lambda: found() == [f"{name}1"], 120)  # noqa: B023
        slate = http.get("/v1/users/u1/recommendations", headers=key).json()
        assert slate["origin"] == "personal"
        assert {each["item_id"][0] for each in slate["items"]} == {name}
    assert (
        http.get("/v1/users/u1/recommendations").json()["origin"] == "none"
    )  # nobody's key: the own tenant's


def test_it_is_ready_only_when_all_its_engines_are(serve: Serve, bus: Settings) -> None:
    http = serve(live(bus, tenants=("a",)))  # whose topics are not there yet
    wait_until(lambda: f"engine of {bus.bus.prefix}a-..." in http.get("/readyz").text, READY_SECONDS)
    assert http.get("/v1/users/u1/recommendations").status_code == 200
    ensure_topics(of_tenant(bus, "a").bus)
    until_ready(http)


def test_a_live_server_holds_no_more_engines_than_it_may(bus: Settings) -> None:
    with pytest.raises(ConfigError, match="may hold 1"):
        asyncio.run(HttpServer(live(bus, tenants=("a",), max_live_engines=1)).serve())
