"""An engine that knows five items with prices, and a store: what periodic writers make of scenarios with rules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.periodic.filter_moves import FilterMoves
from stream_rec.consumers.periodic.scenario_lists import ScenarioLists
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import EventBatch, ItemBatch, ItemChange, Span
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import Item
from stream_rec.settings import StoreSettings
from tests.consumers.parts import STAMP_MS, TINY, make_table
from tests.engine.deciding import decide, decision, scenario
from tests.store.building import Stores, with_stores

T = STAMP_MS / 1000


class Scene:
    """An engine that knows five items, and what is written of its scenarios."""

    def __init__(self, stores: Stores) -> None:
        self.engine, self.stores = EngineThread(Engine(TINY)), stores
        self.table = table = make_table(1, owned=[("items", 0), ("events", 0)])
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

    async def restart(self) -> None:
        """Another worker takes over from a snapshot: it knows nothing of what was moved before."""
        arrays = {name: array.copy() for name, array in (await self.engine.ask(Engine.snapshot)).items()}
        position = (await self.engine.ask(lambda engine: engine.position)).copy()
        self.engine.close()
        self.engine = EngineThread(Engine(TINY))
        await self.engine.ask(lambda engine: engine.restore(arrays, position))
        await self.engine.ask(lambda engine: engine.compile_rules())
        self.moves = FilterMoves(self.engine, self.stores.lists, self.table)

    async def look(self) -> None:
        """As often as it takes to look at everything once."""
        for _ in range(10):
            await self.moves.look()

    async def drop(self, name: str) -> None:
        await self.engine.ask(lambda engine: decide(engine, decision("scenario", name, None)))
        await self.engine.ask(Engine.compile_rules)

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
