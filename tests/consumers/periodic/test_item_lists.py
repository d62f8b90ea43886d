"""Lists that belong to no user: who writes them, from what, and what happens while Redis is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import pytest

from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.consumers.periodic.item_lists import SimilarLists, TopLists
from stream_rec.consumers.periodic.similar_sweep import SimilarSweep
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.errors import Unavailable
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import EventBatch, IdColumn, Span
from stream_rec.schemas.records import TopicName
from stream_rec.settings import StoreSettings
from stream_rec.store.encoding import ItemList
from stream_rec.store.keys import TopName
from stream_rec.store.reader import Reader
from tests.consumers.parts import STAMP_MS, TINY, make_measures, make_table
from tests.store.building import Stores, with_stores

OWN: list[tuple[TopicName, int]] = [("events", 0), ("items", 0)]


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url)


class Scene:
    """An engine, and the lists made of it."""

    def __init__(self, stores: Stores, owned: Iterable[tuple[TopicName, int]] = OWN) -> None:
        core = Engine(TINY)
        self.engine, self.measures = EngineThread(core), make_measures(core)
        table = make_table(1, owned=owned)
        self.as_of, self.touched = AsOfTable("log", {}), TouchedItems(table)
        served = self.measures.served
        self.top = TopLists(5, self.engine, self.as_of, served, stores.lists, table)
        self.sweep = SimilarSweep(self.engine, stores.lists, table, stores.clock)
        self.similar = SimilarLists(
            stores.settings, self.engine, self.as_of, self.touched, self.sweep, stores.lists
        )

    async def learn(self) -> None:
        """Sessions of two users who clicked the same three items, the first one most."""
        await self.engine.ask(self._learn)

    def _learn(self, engine: Engine) -> None:
        items = ("a", "b", "c", "a")
        rows = [(user, item, STAMP_MS / 1000) for user in ("ann", "bob") for item in items]
        batch = EventBatch.of(rows, span=Span("events", 0, 0, 0, len(rows)))
        engine.learn(batch)
        self.as_of.learned(batch)
        self.touched.touch(items)


def told(
    store: StoreSettings,
    story: Callable[[Scene], Awaitable[None]],
    owned: Iterable[tuple[TopicName, int]] = OWN,
) -> None:
    async def tell(stores: Stores) -> None:
        scene = Scene(stores, owned)
        await story(scene)
        scene.engine.close()

    with_stores(store, tell)


def top(store: StoreSettings, name: TopName = "popular") -> ItemList | None:
    reader = Reader(store)
    try:
        return reader.top(name)
    finally:
        reader.close()


def similar(store: StoreSettings, *items: str) -> list[bool]:
    """Which of these items have a list."""
    reader = Reader(store)
    try:
        return [found is not None for found in reader.similar(items)]
    finally:
        reader.close()


def test_the_leading_worker_writes_the_lists_of_the_whole_catalogue(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.learn()
        await scene.top.write()

    told(store, story)
    popular = top(store)
    assert popular is not None
    assert popular.items[0].item_id == "a"
    assert (popular.as_of.offset, popular.as_of.log) == (7, "log")
    assert top(store, "trending") is not None
    assert top(store, "new") is not None


def test_a_worker_that_does_not_lead_writes_none_but_knows_what_is_shown_as_popular(
    store: StoreSettings,
) -> None:
    async def story(scene: Scene) -> None:
        await scene.learn()
        await scene.top.write()
        ranks = scene.measures.served.popular_ranks(hash_ids(IdColumn.of(["a", "x"])))
        assert ranks.tolist() == [1, 0]

    told(store, story, owned=[("events", 1)])
    assert top(store) is None


def test_before_anything_is_learned_nothing_is_written(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.top.write()
        await scene.similar.write()

    told(store, story)
    assert top(store) is None


def test_touched_items_get_their_neighbours_once(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.learn()
        await scene.similar.write()
        assert len(scene.touched) == 0

    told(store, story)
    assert similar(store, "a", "b", "c", "x") == [True, True, True, False]


def test_items_of_partitions_that_others_own_are_left_to_them(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.learn()
        await scene.similar.write()

    told(store, story, owned=[("events", 0)])
    assert similar(store, "a", "b", "c") == [False, False, False]


def test_no_more_are_written_at_once_than_the_rate_allows(store: StoreSettings) -> None:
    slow = store.model_copy(update={"similar_per_second": 1, "lists_seconds": 2.0})

    async def story(scene: Scene) -> None:
        await scene.learn()
        await scene.similar.write()

    told(slow, story)
    assert 0 < sum(similar(store, "a", "b", "c")) <= 2


def test_what_was_not_written_while_redis_was_away_waits_for_the_next_turn() -> None:
    async def story(scene: Scene) -> None:
        await scene.learn()
        with pytest.raises(Unavailable):
            await scene.similar.write()
        with pytest.raises(Unavailable):
            await scene.top.write()
        assert await scene.engine.ask(lambda _: sorted(scene.touched.take(9))) == ["a", "b", "c"]

    told(StoreSettings(url="redis://127.0.0.1:1", timeout_seconds=0.1), story)


def test_a_write_that_is_cancelled_gives_the_items_back_too(store: StoreSettings) -> None:
    class Silent:
        """A Redis that never answers."""

        def __init__(self) -> None:
            self.asked = asyncio.Event()

        async def write_similar(self, *_: object, **__: object) -> None:
            self.asked.set()
            await asyncio.Event().wait()

    async def story(scene: Scene) -> None:
        await scene.learn()
        silent = Silent()
        similar = SimilarLists(store, scene.engine, scene.as_of, scene.touched, scene.sweep, silent)
        writing = asyncio.create_task(similar.write())
        await asyncio.wait_for(silent.asked.wait(), 30)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert await scene.engine.ask(lambda _: sorted(scene.touched.take(9))) == ["a", "b", "c"]

    told(store, story)
