"""A scenario with rules has a list for whoever has no slate."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from stream_rec.schemas.records import Item
from stream_rec.serve.client import Client
from stream_rec.serve.rule_warnings import known_names
from stream_rec.settings import StoreSettings
from stream_rec.store.encoding import ItemList
from stream_rec.store.reader import Reader
from tests.consumers.periodic.ruled import Scene, told
from tests.store.building import as_of, slates


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url)


def read(store: StoreSettings, user: str = "stranger") -> tuple[str, set[str]]:
    with Client(store) as client:
        answer = client.recommendations(user, "home")
    return answer.origin, {place.item_id for place in answer.items}


def test_who_has_no_slate_gets_the_scenarios_list_made_under_its_rules(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.rule("home", filter="price < 2.0")
        await scene.lists.write()

    told(store, story)
    assert read(store) == ("scenario", {"i0", "i1"})


def test_a_slate_of_older_rules_counts_for_nothing(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.stores.slates.write(slates(["ann"], as_of(5), ["i4"], scenario="home"))
        await scene.rule("home", filter="price < 2.0")
        await scene.lists.write()

    told(store, story)
    assert read(store, "ann") == ("scenario", {"i0", "i1"})


def test_a_list_goes_with_its_scenarios_rules(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.rule("home", filter="price < 2.0")
        await scene.lists.write()
        await scene.rule("home", k=3)
        await scene.lists.write()

    told(store, story)
    assert read(store)[0] == "none"  # nobody has written `popular` here


def lists_of(store: StoreSettings, name: str) -> ItemList:
    reader = Reader(store)
    try:
        (found,) = reader.scenario_lists([name])
    finally:
        reader.close()
    assert found is not None
    return found


def test_how_much_a_filter_lets_through_stands_beside_its_list(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.change(Item("i0", price=0.0, hidden=True))
        await scene.rule("home", filter="price < 2.0")
        await scene.rule("mail", k=3, leave_out_seen=["purchase"])
        await scene.lists.write()

    told(store, story)
    found = lists_of(store, "home")
    assert (found.allowed, found.of) == (1, 4)
    assert (lists_of(store, "mail").allowed, lists_of(store, "mail").of) == (-1, -1)


def test_what_items_have_is_told_for_whoever_writes_rules(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.lists.write()

    told(store, story)
    known = known_names(store)
    assert known is not None
    assert (known.items, known.names, known.available) == (5, ("price",), 5)


def test_a_filter_that_lets_nothing_through_is_logged_when_it_begins_and_when_it_ends(
    store: StoreSettings,
) -> None:
    async def story(scene: Scene) -> None:
        for rule in ("available", "available", "price < 2.0"):
            await scene.rule("home", filter=rule)
            await scene.lists.write()

    with capture_logs() as logged:
        told(store, story)
    said = [(line["scenario"], line["event"], line["items"]) for line in logged if "through" in line["event"]]
    assert said == [
        ("home", "a filter lets no item through: the scenario's slates are empty", 5),
        ("home", "a filter lets items through again", 2),
    ]
