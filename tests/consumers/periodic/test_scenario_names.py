"""Readers are told which scenarios there are."""

from __future__ import annotations

from stream_rec.consumers.periodic.scenario_names import ScenarioNames
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.settings import ScenarioSettings, StoreSettings
from stream_rec.store.reader import Reader
from tests.consumers.parts import TINY
from tests.engine.deciding import decide, scenario
from tests.store.building import Stores, with_stores


def test_a_worker_says_which_scenarios_it_writes_slates_for_and_says_so_again(redis_url: str) -> None:
    store = StoreSettings(url=redis_url)

    async def story(stores: Stores) -> None:
        scenarios = {"home": ScenarioSettings(), "default": ScenarioSettings(), "mail": ScenarioSettings()}
        engine = EngineThread(Engine(TINY.model_copy(update={"scenarios": scenarios})))
        names = ScenarioNames(engine, stores.lists)
        await names.write()
        await engine.ask(lambda e: decide(e, scenario("mail", on=False)))
        await names.write()
        engine.close()

    with_stores(store, story)
    reader = Reader(store)
    try:
        assert reader.scenarios() == ["default", "home"]
    finally:
        reader.close()
