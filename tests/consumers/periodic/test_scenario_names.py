"""Readers are told which scenarios there are."""

from __future__ import annotations

from stream_rec.consumers.periodic.scenario_names import ScenarioNames
from stream_rec.settings import StoreSettings
from stream_rec.store.reader import Reader
from tests.store.building import Stores, with_stores


def test_a_worker_says_which_scenarios_it_writes_slates_for_and_says_so_again(redis_url: str) -> None:
    store = StoreSettings(url=redis_url)

    async def story(stores: Stores) -> None:
        names = ScenarioNames(("home", "default"), stores.lists)
        await names.write()
        await names.write()

    with_stores(store, story)
    reader = Reader(store)
    try:
        assert reader.scenarios() == ["default", "home"]
    finally:
        reader.close()
