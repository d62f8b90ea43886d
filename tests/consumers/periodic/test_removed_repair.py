"""`removed` is whole again when Redis has lost it: for our partitions, with what is hidden now, within a bound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from stream_rec.consumers.periodic.removed_repair import RemovedRepair
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn, ItemBatch, ItemChange, Span
from stream_rec.schemas.records import Item
from stream_rec.settings import StoreSettings
from tests.consumers.parts import TINY, make_table
from tests.store.building import Stores, with_stores


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url)


class Scene:
    """An engine that knows the catalogue, and the repair."""

    def __init__(self, stores: Stores, max_removed: int = 100, n_partitions: int = 1) -> None:
        self.engine, self.stores = EngineThread(Engine(TINY)), stores
        self.n_partitions = n_partitions
        table = make_table(n_partitions, owned=[("items", 0)])
        self.repair = RemovedRepair(self.engine, stores.lists, table, max_removed)
        self._n = 0

    async def change(self, *items: Item | str) -> None:
        """The engine learns these; an id alone is a removal."""
        changes = [
            ItemChange(
                self._n + n,
                0,
                item if isinstance(item, str) else item.item_id,
                None if isinstance(item, str) else item,
            )
            for n, item in enumerate(items)
        ]
        batch = ItemBatch(Span("items", 0, 0, self._n, self._n + len(items)), changes)
        self._n += len(items)
        await self.engine.ask(lambda engine: engine.upsert_items(batch))

    async def removed(self, *ids: str) -> list[str]:
        """Those of these ids that stand in `removed`."""
        missing = await self.stores.lists.not_removed(ids)
        return [item for item in ids if item not in missing]

    async def round(self) -> int:
        """Looks until something was written, or a few were in vain."""
        for _ in range(5):
            if n := await self.repair.look():
                return n
        return 0


def told(store: StoreSettings, story: Callable[[Scene], Awaitable[None]], **scene: int) -> None:
    async def tell(stores: Stores) -> None:
        told_in = Scene(stores, **scene)
        await story(told_in)
        told_in.engine.close()

    with_stores(store, tell)


def test_what_is_hidden_is_written_again_when_it_is_lost(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.change("a", Item("b", available=False), Item("c"), "d", Item("d"))
        assert await scene.round() == 2
        assert await scene.removed("a", "b", "c", "d") == ["a", "b"]
        assert await scene.round() == 0
        await scene.stores.lists.restore_items(["a"])  # as from an older copy
        assert await scene.round() == 1
        assert await scene.removed("a", "b", "c", "d") == ["a", "b"]

    told(store, story)


def test_only_of_partitions_that_are_ours(store: StoreSettings) -> None:
    ids = [f"i{n}" for n in range(12)]
    ours = [i for i, home in zip(ids, partition_of(IdColumn.of(ids), 3).tolist(), strict=True) if home == 0]

    async def story(scene: Scene) -> None:
        await scene.change(*ids)
        await scene.round()
        assert await scene.removed(*ids) == ours

    told(store, story, n_partitions=3)


def test_more_than_redis_is_to_hold_is_not_written_in_turns_without_end(store: StoreSettings) -> None:
    small = store.model_copy(update={"max_removed": 10})

    async def story(scene: Scene) -> None:
        await scene.change(*[f"i{n}" for n in range(30)])
        assert await scene.round() > 0
        assert await scene.round() == 0

    told(small, story, max_removed=10)


def test_a_redis_that_loses_it_again_and_again_is_asked_more_and_more_seldom(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.change("a")
        looks: list[int] = []
        for _ in range(4):
            n = 1
            while not await scene.repair.look():
                n += 1
            looks.append(n)
            await scene.stores.lists.restore_items(["a"])
        assert looks == [1, 2, 3, 5]

    told(store, story)
