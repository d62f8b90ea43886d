"""Events become slates: what is learned, written, published and measured, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.handlers.control import ForgottenUsers
from stream_rec.consumers.handlers.event_metrics import EventMetrics
from stream_rec.consumers.handlers.events import EventsHandler
from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.consumers.output.slate_encoder import SlateEncoder, SlateOutput
from stream_rec.engine.engine import Engine
from stream_rec.errors import GapError
from stream_rec.schemas.records import DeadLetter, Interaction, Slate
from stream_rec.settings import EngineSettings, StoreSettings
from stream_rec.store.keys import NEVER
from stream_rec.store.markers import Upto
from stream_rec.store.waiting import WaitEnded
from tests.consumers.parts import Outbox, click, fetched, make_context, make_measures, make_table
from tests.store.building import Stores, with_stores


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url)


NEVERS: dict[str, object] = {
    "hide": {"meaning": "never"},
    "hide_tag": {"meaning": "never", "hides": "tag"},
    "unhide": {"meaning": "undo:hide"},
    "scroll": {"meaning": "ignore"},
}
TYPED = EngineSettings.model_validate({"max_users": 64, "max_items": 64, "event_types": NEVERS})


class Scene:
    """A handler with an engine, and a Redis whose partition 0 is ours."""

    def __init__(self, stores: Stores) -> None:
        self.engine, self.outbox, self.lost = Engine(TYPED), Outbox(), asyncio.Event()
        self.stores, self.measures = stores, make_measures(self.engine)
        table = make_table(1, owned=[("events", 0), ("items", 0)])
        self.as_of, self.touched = AsOfTable(table.topic_ids["events"], {}), TouchedItems(table)
        self.forgotten = ForgottenUsers()
        context = make_context(self.measures, self.outbox)
        self.handler = EventsHandler(
            context,
            SlateOutput(SlateEncoder(context.clock), stores.slates, self.lost),
            self.as_of,
            self.touched,
            EventMetrics(self.measures, table, "default", self.engine.event_types),
            self.forgotten,
        )

    async def serve(self, batch: object) -> None:
        learned = self.handler.learn(self.engine, self.handler.decode(batch))
        self.handler.measure(await self.handler.write(learned, asyncio.Event()))


def told(store: StoreSettings, story: Callable[[Scene], Awaitable[None]]) -> None:
    async def tell(stores: Stores) -> None:
        stores.markers.own(0, "events-log", -1)
        assert await stores.markers.complete(await stores.markers.begin(0))
        await story(Scene(stores))

    with_stores(store, tell)


def test_every_user_of_a_batch_gets_a_slate_in_redis_and_on_its_topic(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.serve(fetched("events", [click("ann", "a"), click("bob", "b"), click("ann", "c")]))
        for user in ("ann", "bob"):
            slate = await scene.stores.slates.read(user)
            assert slate is not None
            assert (slate.as_of.log, slate.as_of.offset) == ("events-log", 2)
        assert [record.key for record in scene.outbox.sent] == [b"ann", b"bob"]
        published = msgspec.json.decode(scene.outbox.sent[0].value, type=Slate)
        assert published == await scene.stores.slates.read("ann")
        live = scene.measures.live()
        assert (live["slates_written"], live["events_learned"]) == (2, 3)

    told(store, story)


def test_the_items_of_a_batch_are_touched_and_the_table_knows_its_last_event(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.serve(fetched("events", [click("ann", "a"), click("bob", "b")]))
        assert scene.touched.take(9) == ["a", "b"]
        newest = scene.as_of.newest()
        assert newest is not None
        assert newest.offset == 1

    told(store, story)


def test_a_batch_without_a_good_event_sends_dead_letters_and_moves_the_marker(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.serve(fetched("events", [b"no json", b"{}"]))
        assert scene.outbox.topics() == ["dead-letters", "dead-letters"]
        letter = msgspec.json.decode(scene.outbox.sent[0].value, type=DeadLetter)
        assert (letter.topic, letter.partition, letter.offset) == ("events", 0, 0)
        assert not (await scene.stores.slates.write([], Upto(0, 2))).lost
        assert scene.engine.position["events", 0] == 2

    told(store, story)


def test_a_batch_that_comes_again_is_learned_once_and_served_twice(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        batch = fetched("events", [click("ann", "a"), click("bob", "b")])
        await scene.serve(batch)
        await scene.serve(batch)
        assert scene.engine.n_learned == 2
        assert scene.outbox.topics() == ["slates"] * 4

    told(store, story)


def test_what_others_serve_is_learned_and_nothing_is_written(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        scene.handler.relearn(scene.engine, fetched("events", [click("ann", "a")]))
        assert scene.engine.n_learned == 1
        assert scene.outbox.sent == []
        assert await scene.stores.slates.read("ann") is None
        assert scene.as_of.newest() is not None

    told(store, story)


def test_a_gap_is_refused_before_anything_is_noted(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.serve(fetched("events", [click("ann", "a")]))
        with pytest.raises(GapError):
            await scene.serve(fetched("events", [click("bob", "b")], start=5))
        newest = scene.as_of.newest()
        assert newest is not None
        assert newest.offset == 0

    told(store, story)


def test_slates_that_redis_has_lost_are_told_at_the_next_batch(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.serve(fetched("events", [click("ann", "a")]))
        assert not scene.lost.is_set()
        await scene.stores.redis.execute("FLUSHALL")
        await scene.serve(fetched("events", [click("bob", "b")], start=1))
        assert scene.lost.is_set()

    told(store, story)


def test_while_redis_is_away_a_stop_ends_the_wait_and_nothing_is_published() -> None:
    async def story(stores: Stores) -> None:
        scene, stop = Scene(stores), asyncio.Event()
        stop.set()
        learned = scene.handler.learn(
            scene.engine, scene.handler.decode(fetched("events", [click("ann", "a")]))
        )
        with pytest.raises(WaitEnded):
            await scene.handler.write(learned, stop)
        assert scene.outbox.sent == []

    with_stores(StoreSettings(url="redis://127.0.0.1:1", timeout_seconds=0.1), story)


def test_what_a_user_never_wants_to_see_is_in_redis_and_on_no_topic(store: StoreSettings) -> None:
    async def nevers(scene: Scene, user: str) -> list[str] | None:
        found = await scene.stores.slates.read(user, NEVER)
        return None if found is None else [place.item_id for place in found.items]

    async def story(scene: Scene) -> None:
        await scene.serve(fetched("events", [click("ann", "a"), click("bob", "b"), click("ann", "c")]))
        assert await nevers(scene, "ann") is None
        await scene.serve(fetched("events", [typed("ann", "b", "hide"), click("bob", "a", 1)], start=3))
        assert await nevers(scene, "ann") == ["b"]
        assert await nevers(scene, "bob") is None
        slate = await scene.stores.slates.read("ann")
        assert slate is not None
        assert "b" not in [place.item_id for place in slate.items]
        assert scene.outbox.topics() == ["slates"] * 4
        await scene.serve(fetched("events", [typed("ann", "b", "unhide")], start=5))
        assert await nevers(scene, "ann") == []

    told(store, story)


def test_an_ignored_event_brings_a_slate_that_knows_it(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        await scene.serve(fetched("events", [click("ann", "a"), typed("ann", "b", "scroll")]))
        slate = await scene.stores.slates.read("ann")
        assert slate is not None
        assert slate.as_of.offset == 1
        assert [place.item_id for place in slate.items] == ["a"]
        assert scene.measures.live()["events_ignored"] == 1

    told(store, story)


def typed(user: str, item: str, kind: str) -> Interaction:
    return Interaction(user, item, kind, click(user, item, 2.0).ts)
