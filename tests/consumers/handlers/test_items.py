"""Catalogue changes: learned, and kept in step with the set `removed`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from stream_rec.consumers.handlers.items import ItemsHandler
from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.engine.engine import Engine
from stream_rec.schemas.records import Item
from stream_rec.settings import StoreSettings
from tests.consumers.parts import TINY, Outbox, fetched, make_context, make_measures, make_table
from tests.store.building import Stores, with_stores


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url)


class Scene:
    """A handler with an engine and a Redis."""

    def __init__(self, stores: Stores) -> None:
        self.engine, self.outbox, self.stores = Engine(TINY), Outbox(), stores
        self.touched = TouchedItems(make_table(1, owned=[("items", 0)]))
        self.measures = make_measures(self.engine)
        self.handler = ItemsHandler(make_context(self.measures, self.outbox), stores.lists, self.touched)

    async def serve(self, batch: object) -> None:
        learned = self.handler.learn(self.engine, self.handler.decode(batch))
        self.handler.measure(await self.handler.write(learned, asyncio.Event()))

    async def removed(self) -> set[bytes]:
        return set(await self.stores.redis.execute("ZRANGE", "removed", 0, -1))


def told(store: StoreSettings, story: Callable[[Scene], Awaitable[None]]) -> None:
    async def tell(stores: Stores) -> None:
        await story(Scene(stores))

    with_stores(store, tell)


def removal(item: str, start: int) -> object:
    """The record that removes an item: its key, and no value."""
    batch = fetched("items", [Item(item)], start=start)
    batch.values[0] = None
    return batch


def test_items_that_come_are_known_and_touched(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.serve(fetched("items", [Item("a", tags=("t",)), Item("b")]))
        assert scene.engine.stats()["items"] == 2
        assert scene.touched.take(9) == ["a", "b"]
        assert await scene.removed() == set()

    told(store, story)


def test_an_item_that_is_removed_or_not_available_is_hidden_and_shown_again_when_it_is_back(
    store: StoreSettings,
) -> None:
    async def story(scene: Scene) -> None:
        await scene.serve(fetched("items", [Item("a"), Item("b", available=False)]))
        await scene.serve(removal("a", 2))
        assert await scene.removed() == {b"a", b"b"}
        await scene.serve(fetched("items", [Item("a"), Item("b")], start=3))
        assert await scene.removed() == set()

    told(store, story)


def test_an_item_that_is_not_available_is_not_touched(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.serve(fetched("items", [Item("a", available=False)]))
        assert scene.touched.take(9) == []

    told(store, story)


def test_what_is_no_item_becomes_a_dead_letter_and_is_counted(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.serve(fetched("items", [b"no json", Item("a")]))
        assert scene.outbox.topics() == ["dead-letters"]
        assert scene.engine.stats()["items"] == 1
        assert sum(n for name, n in scene.measures.live().items() if name.startswith("dead_letters")) == 1

    told(store, story)


def test_changes_that_others_have_written_are_learned_and_not_written(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        scene.handler.relearn(scene.engine, fetched("items", [Item("a"), Item("b", available=False)]))
        assert scene.engine.stats()["items"] == 2
        assert await scene.removed() == set()

    told(store, story)


def test_items_that_the_catalogue_evicts_are_counted(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.serve(fetched("items", [Item(f"i{n}") for n in range(TINY.max_items + 6)]))
        assert scene.engine.stats()["evicted_items"] == 6
        assert scene.measures.live()["evicted_items"] == 6

    told(store, story)
