"""A scenario with rules has a list for whoever has no slate."""

from __future__ import annotations

import pytest

from stream_rec.serve.client import Client
from stream_rec.settings import StoreSettings
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
