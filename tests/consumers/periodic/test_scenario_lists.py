"""A scenario with rules has a list for whoever has no slate, and a set of what its filter has stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.periodic.filter_moves import FilterMoves
from stream_rec.consumers.periodic.scenario_lists import ScenarioLists
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import EventBatch, ItemBatch, ItemChange, Span
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import Item
from stream_rec.serve.client import Client
from stream_rec.settings import StoreSettings
from tests.consumers.parts import STAMP_MS, TINY, make_table
from tests.engine.deciding import decide, scenario
from tests.store.building import Stores, as_of, slates, with_stores

T = STAMP_MS / 1000


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url)


class Scene:
    """An engine that knows five items, and what is written of its scenarios."""

    def __init__(self, stores: Stores) -> None:
        self.engine, self.stores = EngineThread(Engine(TINY)), stores
        table = make_table(1, owned=[("items", 0), ("events", 0)])
        self.as_of = AsOfTable("log", {})
        self.lists = ScenarioLists(stores.settings, self.engine, self.as_of, stores.lists, table)
        self.moves = FilterMoves(self.engine, stores.lists, table)

    async def begin(self) -> None:
        def learn(engine: Engine) -> None:
            batch = EventBatch.of(
                [(f"u{n % 3}", f"i{n % 5}", T + n) for n in range(30)], span=Span("events", 0, 0, 0, 30)
            )
            engine.learn(batch)
            self.as_of.learned(batch)

        await self.engine.ask(learn)
        await self.change(*[Item(f"i{n}", price=float(n)) for n in range(5)])

    async def change(self, *items: Item) -> None:
        def learn(engine: Engine) -> None:
            start = engine.position.get(TopicPartition("items", 0), 0)
            changes = [ItemChange(start + n, STAMP_MS, item.item_id, item) for n, item in enumerate(items)]
            engine.upsert_items(ItemBatch(Span("items", 0, 0, start, start + len(items)), changes))
            engine.compile_rules()

        await self.engine.ask(learn)

    async def rule(self, name: str, **body: Any) -> None:
        def learn(engine: Engine) -> None:
            decide(engine, scenario(name, **body))
            engine.compile_rules()

        await self.engine.ask(learn)


def told(store: StoreSettings, story: Callable[[Scene], Awaitable[None]]) -> None:
    async def tell(stores: Stores) -> None:
        scene = Scene(stores)
        await scene.begin()
        await story(scene)
        scene.engine.close()

    with_stores(store, tell)


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


def test_an_item_that_the_filter_stops_goes_from_what_stands_and_comes_back(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.rule("home", filter="price < 2.0")
        await scene.lists.write()
        await scene.moves.look()
        await scene.change(Item("i1", price=50.0))
        assert await scene.moves.look() > 0
        assert read(store) == ("scenario", {"i0"})
        await scene.change(Item("i1", price=1.0))
        await scene.moves.look()
        assert read(store) == ("scenario", {"i0", "i1"})

    told(store, story)


def test_a_list_goes_with_its_scenarios_rules(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.rule("home", filter="price < 2.0")
        await scene.lists.write()
        await scene.rule("home", k=3)
        await scene.lists.write()

    told(store, story)
    assert read(store)[0] == "none"  # nobody has written `popular` here
