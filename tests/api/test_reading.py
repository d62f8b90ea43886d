"""Reads over HTTP: as `Client` answers them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from stream_rec.settings import Settings
from tests.store.building import Stores, as_of, slate, with_stores
from tests.store.test_lists import Row


@pytest.fixture(autouse=True)
def shop(bus: Settings) -> None:
    """Ann has a slate up to event 5 of partition 0; there are lists for everybody; c is removed."""

    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(5), ["a", "c", "b"])])
        await my.lists.write_tops({"popular": Row(["p", "c"]), "new": Row(["n"])}, as_of=as_of(5), model="m")
        await my.lists.write_tops({"popular": Row(["t"])}, as_of=as_of(5), model="m", tag="tea")
        await my.lists.write_similar({"a": Row(["b", "c"])}, as_of=as_of(5), model="m")
        await my.lists.remove_items(["c"])
        await my.lists.write_scenarios(["default"])

    with_stores(bus.store, story)


def ids(found: httpx.Response) -> list[str]:
    assert found.status_code == 200, found.text
    return [each["item_id"] for each in found.json()["items"]]


def test_a_users_slate_without_what_was_removed(http: httpx.Client) -> None:
    found = http.get("/v1/users/ann/recommendations")
    assert ids(found) == ["a", "b"]
    assert found.json()["origin"] == "personal"
    assert found.json()["slate_id"]
    assert "made" not in found.json()


def test_an_explained_answer_says_what_it_was_made_from(http: httpx.Client) -> None:
    found = http.get("/v1/users/ann/recommendations", params={"explain": "true", "n": 1}).json()
    assert found["made"]["as_of"]["offset"] == 5
    assert len(found["items"]) == 1


def test_an_unknown_user_gets_what_is_popular(http: httpx.Client) -> None:
    found = http.get("/v1/users/bob/recommendations")
    assert ids(found) == ["p"]
    assert found.json()["origin"] == "popular"


def test_an_answer_that_does_not_know_the_event_in_time_is_marked(http: httpx.Client) -> None:
    url = "/v1/users/ann/recommendations"
    assert "stale" not in http.get(url, params={"after": "0:5"}).json()
    for nobody_knows in ("0:6", "0:-1"):
        assert http.get(url, params={"after": nobody_knows, "timeout": 0.05}).json()["stale"] is True


def test_an_unknown_scenario_is_not_found(http: httpx.Client) -> None:
    found = http.get("/v1/users/bob/recommendations", params={"scenario": "hme"})
    assert found.status_code == 404
    assert found.json()["where"] == "query scenario"
    assert "default" in found.json()["fix"]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("n=0", "query n"),
        ("n=x", "query n"),
        ("nn=3", "query nn"),
        ("after=0", "query after"),
        ("timeout=nan", "query timeout"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(http: httpx.Client, query: str, where: str) -> None:
    found = http.get(f"/v1/users/ann/recommendations?{query}")
    assert found.status_code == 422
    assert found.json()["where"] == where


def test_an_id_may_hold_anything(http: httpx.Client, bus: Settings) -> None:
    odd = "a/b c%é?#\n"

    async def story(my: Stores) -> None:
        await my.slates.write([slate(odd, as_of(5), ["x"])])

    with_stores(bus.store, story)
    found = http.get(f"/v1/users/{quote(odd, safe='')}/recommendations")
    assert ids(found) == ["x"]


def test_neighbours_and_lists(http: httpx.Client) -> None:
    assert ids(http.get("/v1/items/a/similar")) == ["b"]
    assert ids(http.get("/v1/items/z/similar")) == []
    assert ids(http.get("/v1/lists/popular")) == ["p"]
    assert ids(http.get("/v1/lists/popular", params={"tag": "tea"})) == ["t"]
    assert ids(http.get("/v1/lists/new")) == ["n"]
    assert ids(http.get("/v1/lists/trending")) == []


@pytest.mark.parametrize(
    "url", ["items/a/similar", "lists/popular", "lists/trending", "sessions/recommendations"]
)
def test_what_is_nobodys_waits_for_an_event_too(http: httpx.Client, url: str) -> None:
    def found(after: str, timeout: float) -> Any:
        if url.startswith("sessions"):
            wish = {"items": ["a"], "after": after, "timeout": timeout}
            return http.post(f"/v1/{url}", json=wish).json()
        return http.get(f"/v1/{url}", params={"after": after, "timeout": timeout}).json()

    has_any = url != "lists/trending"  # of a list that there is none of, nothing can be said
    assert found("0:5", 0.05).get("stale", False) is not has_any
    for later in ("0:6", "1:5", "0:-1"):
        assert found(later, 0.05)["stale"] is True


def test_fields_of_items_need_a_live_server(http: httpx.Client) -> None:
    fields = {"fields": "title,price"}
    for url in ("/v1/users/ann/recommendations", "/v1/items/a/similar", "/v1/lists/popular"):
        found = http.get(url, params=fields)
        assert found.status_code == 501
        assert found.json()["type"].endswith("needs-live")
    for url, more in (
        ("/v1/sessions/recommendations", {"items": ["a"]}),
        ("/v1/pages", {"user_id": "ann", "rails": [{}]}),
    ):
        assert http.post(url, json={"fields": ["title"], **more}).status_code == 501


def test_whose_rules_hold_for_neighbours_is_a_live_servers_to_say(http: httpx.Client) -> None:
    assert http.get("/v1/items/a/similar", params={"scenario": "default"}).status_code == 501
