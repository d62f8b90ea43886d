"""`removed` follows items whose window opens or closes, also where a worker ended before it had written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.consumers.periodic.category_lists import CategoryLists
from stream_rec.consumers.periodic.window_moves import WindowMoves
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.catalogue.windows import EVERY
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import EventBatch, ItemBatch, ItemChange, Span
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import Item
from stream_rec.settings import StoreSettings
from stream_rec.store.reader import Reader
from tests.consumers.parts import STAMP_MS, TINY, make_table
from tests.store.building import Stores, with_stores

T = STAMP_MS / 1000


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url)


class Scene:
    """An engine that knows the catalogue, and what follows it."""

    def __init__(self, stores: Stores, owned: bool = True) -> None:
        self.engine, self.stores = EngineThread(Engine(TINY)), stores
        table = make_table(1, owned=[("items", 0), ("events", 0)] if owned else [])
        self.touched, self.as_of = TouchedItems(table), AsOfTable("log", {})
        self.moves = WindowMoves(self.engine, stores.lists, table, self.touched)
        self.categories = CategoryLists(stores.settings, self.engine, self.as_of, stores.lists, table)

    async def change(self, *items: Item) -> None:
        def learn(engine: Engine) -> None:
            start = engine.position.get(TopicPartition("items", 0), 0)
            changes = [ItemChange(start + n, STAMP_MS, item.item_id, item) for n, item in enumerate(items)]
            engine.upsert_items(ItemBatch(Span("items", 0, 0, start, start + len(items)), changes))

        await self.engine.ask(learn)

    async def pass_time(self, ts: float, item: str = "other") -> None:
        def learn(engine: Engine) -> None:
            start = engine.position.get(TopicPartition("events", 0), 0)
            batch = EventBatch.of(
                [(f"u{n}", item, ts) for n in range(EVERY)], span=Span("events", 0, 0, start, start + EVERY)
            )
            engine.learn(batch)
            self.as_of.learned(batch)

        await self.engine.ask(learn)

    async def removed(self, *ids: str) -> list[str]:
        missing = await self.stores.lists.not_removed(ids)
        return [item for item in ids if item not in missing]


def told(store: StoreSettings, story: Callable[[Scene], Awaitable[None]], *, owned: bool = True) -> None:
    async def tell(stores: Stores) -> None:
        scene = Scene(stores, owned)
        await story(scene)
        scene.engine.close()

    with_stores(store, tell)


def test_what_closes_enters_and_what_opens_leaves(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.change(Item("sale", available_until=T + 100), Item("soon", available_from=T + 100))
        await scene.stores.lists.remove_items(["soon"])
        await scene.pass_time(T)
        assert await scene.moves.look() == 0
        assert await scene.removed("sale", "soon") == ["soon"]
        await scene.pass_time(T + 100)
        assert await scene.moves.look() == 2
        assert await scene.removed("sale", "soon") == ["sale"]
        assert scene.touched.take(9) == ["soon"]
        assert await scene.moves.look() == 0

    told(store, story)


def test_an_open_item_that_was_left_in_the_set_is_found(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.change(Item("open", available_from=T - 100), Item("plain"))
        await scene.pass_time(T)
        await scene.stores.lists.remove_items(["open", "somebody else's"])
        assert await scene.moves.look() == 1
        assert await scene.removed("open", "somebody else's") == ["somebody else's"]

    told(store, story)


def test_others_items_are_left_to_others(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.change(Item("sale", available_until=T + 100))
        await scene.pass_time(T + 200)
        assert await scene.moves.look() == 0
        assert await scene.removed("sale") == []

    told(store, story, owned=False)


def test_lists_of_the_tags_used_most_are_written_and_dropped_with_them(store: StoreSettings) -> None:
    few = store.model_copy(update={"category_tags": 1})

    async def story(scene: Scene) -> None:
        await scene.change(Item("a", tags=("x",)), Item("b", tags=("y",)))
        await scene.pass_time(T, "a")
        await scene.categories.write()
        reader = Reader(few)
        found = {name: reader.answer(reader._questions.top(name, "x")) for name in ("popular", "new")}
        assert all(each and [place.item_id for place in each.items] == ["a"] for each in found.values())
        assert reader.answer(reader._questions.top("popular", "y")) is None
        await scene.pass_time(T + 1, "b")
        await scene.pass_time(T + 2, "b")
        for _ in range(30):
            await scene.categories.write()
        assert reader.answer(reader._questions.top("popular", "x")) is None
        assert reader.answer(reader._questions.top("popular", "y")) is not None
        reader.close()

    told(few, story)
