"""Lists of similar items that Redis has lost, or never had, are written without an event of theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from stream_rec.clock import ManualClock
from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.consumers.periodic.item_lists import SimilarLists
from stream_rec.consumers.periodic.similar_sweep import ROUND_SECONDS, SimilarSweep
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.errors import Unavailable
from stream_rec.schemas.columns import EventBatch, ItemBatch, ItemChange, Span
from stream_rec.schemas.records import Item
from stream_rec.settings import StoreSettings
from tests.consumers.parts import STAMP_MS, TINY, make_table
from tests.store.building import Stores, with_stores

ITEMS = [f"i{n}" for n in range(8)]
LONELY = "lonely"
"""Nothing connects it with others."""


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url, similar_per_second=100, lists_seconds=1.0)


class Scene:
    """An engine that was restored, as it were: it knows items, and none of them was touched."""

    def __init__(self, stores: Stores, *, owns_items: bool = True) -> None:
        core = Engine(TINY)
        rows = [(user, item, STAMP_MS / 1000) for user in ("ann", "bob") for item in ITEMS]
        batch = EventBatch.of([*rows, ("eve", LONELY, STAMP_MS / 1000)], span=Span("events", 0, 0, 0, 17))
        core.learn(batch)
        self.stores, self.engine, self.clock = stores, EngineThread(core), ManualClock()
        as_of = AsOfTable("log", {})
        as_of.learned(batch)
        table = make_table(1, owned=[("events", 0), ("items", 0)] if owns_items else [("events", 0)])
        self.touched = TouchedItems(table)
        self.sweep = SimilarSweep(self.engine, stores.lists, table, self.clock)
        self.lists = SimilarLists(stores.settings, self.engine, as_of, self.touched, self.sweep, stores.lists)

    async def missing(self) -> set[str]:
        return {*await self.stores.lists.without_similar(ITEMS)}

    async def lose(self) -> None:
        await self.stores.redis.execute("FLUSHALL")


def told(store: StoreSettings, story: Callable[[Scene], Awaitable[None]], *, owns_items: bool = True) -> None:
    async def tell(stores: Stores) -> None:
        scene = Scene(stores, owns_items=owns_items)
        await story(scene)
        scene.engine.close()

    with_stores(store, tell)


def test_items_that_nobody_touches_have_lists_too(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.lists.write()
        assert await scene.missing() == set()
        assert await scene.stores.lists.without_similar([LONELY]) == [LONELY]

    told(store, story)


def test_lists_that_redis_has_lost_come_back_with_the_next_round(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.lists.write()
        await scene.lose()
        await scene.lists.write()
        assert await scene.missing() == {*ITEMS}
        scene.clock.advance(ROUND_SECONDS)
        await scene.lists.write()
        assert await scene.missing() == set()

    told(store, story)


def test_when_redis_is_known_to_have_lost_everything_they_come_back_at_once(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.lists.write()
        await scene.lose()
        scene.sweep.restart()
        await scene.lists.write()
        assert await scene.missing() == set()

    told(store, story)


def test_items_that_are_touched_keep_most_of_the_rate(store: StoreSettings) -> None:
    slow = store.model_copy(update={"similar_per_second": 4})

    async def story(scene: Scene) -> None:
        await scene.engine.ask(lambda _: scene.touched.touch(ITEMS[4:]))
        await scene.lists.write()
        assert await scene.missing() == {*ITEMS[1:4], ITEMS[7]}
        await scene.lists.write()
        assert await scene.missing() == set()

    told(slow, story)


def test_what_is_hidden_gets_none(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        hide = ItemChange(0, 0, ITEMS[0], Item(ITEMS[0], hidden=True))
        await scene.engine.ask(
            lambda engine: engine.upsert_items(ItemBatch(Span("items", 0, 0, 0, 1), [hide]))
        )
        await scene.lists.write()
        assert await scene.missing() == {ITEMS[0]}

    told(store, story)


def test_those_of_others_are_left_to_them(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.lists.write()
        assert await scene.missing() == {*ITEMS}

    told(store, story, owns_items=False)


def test_without_a_rate_nothing_is_looked_for(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.lists.write()
        assert await scene.missing() == {*ITEMS}

    told(store.model_copy(update={"similar_per_second": 0}), story)


def test_a_round_that_redis_cuts_off_goes_on_where_it_was(store: StoreSettings) -> None:
    class Away:
        """A Redis that does not answer the first question."""

        def __init__(self, real: object) -> None:
            self._real, self._is_away = real, True

        async def without_similar(self, ids: list[str]) -> list[str]:
            if self._is_away:
                self._is_away = False
                raise Unavailable("redis", "away")
            return await self._real.without_similar(ids)

    async def story(scene: Scene) -> None:
        sweep = SimilarSweep(scene.engine, Away(scene.stores.lists), scene.sweep._table, scene.clock)
        with pytest.raises(Unavailable):
            await sweep.take(99)
        assert {*await sweep.take(99)} == {*ITEMS, LONELY}
        assert await sweep.take(99) == []

    told(store, story)
