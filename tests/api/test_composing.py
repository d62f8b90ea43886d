"""Sessions, pages, the next page, and impressions of what was answered."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest
from msgspec import structs

from stream_rec.api.paging import cursor_after, had, left
from stream_rec.engine.results import Neighbours
from stream_rec.schemas.records import Impression, Reason, SlateItem
from stream_rec.settings import Settings
from stream_rec.store.keys import NEVER
from stream_rec.store.lists import ScenarioList
from tests.api.serving import Serve, served
from tests.reading import records
from tests.store.building import Stores, as_of, slate, slates, with_stores
from tests.store.test_lists import Row
from tests.waiting import wait_until

URL = "/v1/users/ann/recommendations"


@pytest.fixture(autouse=True)
def shop(bus: Settings) -> None:
    """Ann has two slates; tea and honey have neighbours; c is removed."""

    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(5), ["a", "c", "b", "d"])])
        await my.slates.write(slates(["ann"], as_of(5), ["b", "a", "e"], scenario="home"))
        await my.lists.write_tops({"popular": Row(["a", "p", "q", "tea"])}, as_of=as_of(5), model="m")
        near = {"tea": Row(["lemon", "sugar"]), "honey": Row(["lemon", "bread"]), "coffee": Row(["sugar"])}
        await my.lists.write_similar(near, as_of=as_of(5), model="m")
        await my.lists.remove_items(["c"])
        await my.lists.write_scenarios(["default", "home"])

    with_stores(bus.store, story)


def ids(found: Sequence[dict[str, str]]) -> list[str]:
    return [each["item_id"] for each in found]


def test_a_session_gets_what_fits_all_of_it(http: httpx.Client) -> None:
    found = http.post("/v1/sessions/recommendations", json={"items": ["tea", "honey"]}).json()
    assert found["origin"] == "session"
    assert ids(found["items"]) == ["lemon", "bread", "sugar"]


def test_what_a_session_is_not_about_is_left_out_and_what_is_like_it_falls(http: httpx.Client) -> None:
    wanted = {"items": ["tea"], "negatives": ["coffee"]}
    assert ids(http.post("/v1/sessions/recommendations", json=wanted).json()["items"]) == ["lemon"]


def test_a_session_that_nothing_connects_gets_what_is_popular_without_its_own_items(
    http: httpx.Client,
) -> None:
    found = http.post(
        "/v1/sessions/recommendations", json={"items": ["p"], "negatives": ["q"], "n": 1}
    ).json()
    assert (found["origin"], ids(found["items"])) == ("popular", ["a"])


def test_a_session_and_the_next_page_keep_to_the_rules_of_their_scenario(
    http: httpx.Client, bus: Settings
) -> None:
    async def story(my: Stores) -> None:
        listed = ScenarioList(Neighbours(["d", "r", "tea"], [3.0, 2.0, 1.0]), 7)
        await my.lists.write_scenario_list("default", listed, as_of=as_of(5), model="m")
        under_rules = structs.replace(as_of(6), rules=7)
        await my.slates.write([slate("ann", under_rules, ["a", "d"])])

    with_stores(bus.store, story)
    found = http.post("/v1/sessions/recommendations", json={"items": ["tea"]}).json()
    assert (found["origin"], ids(found["items"])) == ("scenario", ["d", "r"])
    page = http.get(URL, params={"n": 9, "paged": "true"}).json()
    assert ids(page["items"]) == ["a", "d", "r", "tea"]


def test_on_a_page_no_item_stands_twice(http: httpx.Client) -> None:
    rails = [{"scenario": "home", "n": 2}, {"n": 3}, {"scenario": "home", "n": 3}]
    found = http.post("/v1/pages", json={"user_id": "ann", "rails": rails}).json()["rails"]
    assert [ids(rail["items"]) for rail in found] == [["b", "a"], ["d", "p", "q"], ["e", "tea"]]
    assert [rail["scenario"] for rail in found] == ["home", "default", "home"]


def test_what_a_user_never_wants_to_see_fills_no_page_up(http: httpx.Client, bus: Settings) -> None:
    async def story(my: Stores) -> None:
        await my.slates.write(slates(["ann"], as_of(6), ["p", "tea"], scenario=NEVER))

    with_stores(bus.store, story)
    rails = [{"scenario": "home", "n": 3}, {"n": 5}]
    found = http.post("/v1/pages", json={"user_id": "ann", "rails": rails}).json()["rails"]
    assert [ids(rail["items"]) for rail in found] == [["b", "a", "e"], ["d", "q"]]
    assert ids(http.get(URL, params={"n": 9, "paged": "true"}).json()["items"]) == ["a", "b", "d", "q"]


def test_a_page_of_an_unknown_scenario_is_not_found(http: httpx.Client) -> None:
    assert http.post("/v1/pages", json={"user_id": "bob", "rails": [{"scenario": "x"}]}).status_code == 404


def test_a_page_that_does_not_know_the_event_in_time_is_marked(http: httpx.Client) -> None:
    wanted = {"user_id": "ann", "rails": [{}], "after": "0:6", "timeout": 0.05}
    assert http.post("/v1/pages", json=wanted).json()["rails"][0]["stale"] is True


def test_the_next_page_holds_nothing_of_those_before_even_if_the_slate_changes(
    http: httpx.Client, bus: Settings
) -> None:
    first = http.get(URL, params={"n": 2, "paged": "true"}).json()
    assert ids(first["items"]) == ["a", "b"]

    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(6), ["b", "x", "d", "a"])])

    with_stores(bus.store, story)
    second = http.get(URL, params={"n": 2, "cursor": first["cursor"]}).json()
    assert ids(second["items"]) == ["x", "d"]
    third = http.get(URL, params={"n": 9, "cursor": second["cursor"]}).json()
    assert ids(third["items"]) == ["p", "q", "tea"]
    assert "cursor" not in third


def test_the_last_page_has_no_cursor_though_it_is_full(http: httpx.Client) -> None:
    first = http.get(URL, params={"n": 3, "paged": "true"}).json()
    assert ids(first["items"]) == ["a", "b", "d"]
    last = http.get(URL, params={"n": 3, "cursor": first["cursor"]}).json()
    assert ids(last["items"]) == ["p", "q", "tea"]
    assert "cursor" not in last


def test_a_cursor_that_is_none_is_refused(http: httpx.Client) -> None:
    for junk in ("x", "!!!!", "AAAA", "é"):
        assert http.get(URL, params={"cursor": junk}).status_code == 422


def test_paging_ends_at_its_bound() -> None:
    given = [SlateItem(str(i), 0.0, Reason("x")) for i in range(499)]
    cursor = cursor_after((), given)
    assert cursor is not None
    before = had(cursor)
    assert left(given, before) == []
    assert cursor_after(before, [SlateItem("one more", 0.0, Reason("x"))]) is None


def test_ranking_needs_a_live_server(http: httpx.Client) -> None:
    found = http.post("/v1/rank", json={"items": ["a", "b"], "user_id": "ann"})
    assert found.status_code == 501
    assert found.json()["type"].endswith("needs-live")


def test_what_was_answered_can_be_published_as_shown(http: httpx.Client, bus: Settings) -> None:
    found = http.get(URL, params={"n": 2, "shown": "now"}).json()
    (record,) = records(bus.bus, "impressions", Impression)
    assert (record.user_id, record.items, record.slate_id) == ("ann", ("a", "b"), found["slate_id"])
    assert set(found["shown"]) == {"partition", "offset"}


def test_or_a_while_later(http: httpx.Client, bus: Settings) -> None:
    assert "shown" not in http.get(URL, params={"shown": "after:0"}).json()
    wait_until(lambda: records(bus.bus, "impressions", Impression))


def test_what_waits_is_sent_when_the_server_ends(bus: Settings) -> None:
    with served(bus) as url:
        assert (
            httpx.get(f"{url}/v1/users/bob/recommendations", params={"shown": "after:9999"}).status_code
            == 200
        )
        assert records(bus.bus, "impressions", Impression) == []
    (record,) = records(bus.bus, "impressions", Impression)
    assert record.slate_id.startswith("popular-")


def test_only_so_many_wait(serve: Serve, bus: Settings) -> None:
    http = serve(bus.model_copy(update={"serve": bus.serve.model_copy(update={"max_shown_later": 1})}))
    assert http.get(URL, params={"shown": "after:99"}).status_code == 200
    assert http.get(URL, params={"shown": "after:99"}).status_code == 429
