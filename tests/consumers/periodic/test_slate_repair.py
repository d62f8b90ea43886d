"""Slates that Redis has lost are written again: whose, for which partitions, and until it is whole."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest

from stream_rec.clock import ManualClock
from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.output.slate_encoder import SlateEncoder
from stream_rec.consumers.periodic.similar_sweep import SimilarSweep
from stream_rec.consumers.periodic.slate_repair import ActiveSlates, SlateRepair
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.errors import Unavailable
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import EventBatch, IdColumn, Span
from stream_rec.settings import EngineSettings, StoreSettings
from stream_rec.store.keys import NEVER
from tests.consumers.parts import STAMP_MS, TINY, make_measures, make_table
from tests.store.building import Stores, with_stores

USERS = [f"u{n}" for n in range(12)]
HOMES = dict(zip(USERS, partition_of(IdColumn.of(USERS), 2).tolist(), strict=True))
DAY = 86_400.0
HIDING = EngineSettings.model_validate({**TINY.model_dump(), "event_types": {"hide": {"meaning": "never"}}})


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url, slate_ttl_seconds=10 * int(DAY), rewrite_per_second=1_000_000)


class Scene:
    """An engine that knows twelve users of two partitions, and Redis, which knows nothing of them."""

    def __init__(self, stores: Stores) -> None:
        core = Engine(HIDING)
        self.stores, self.engine, self.measures = stores, EngineThread(core), make_measures(core)
        self.as_of = AsOfTable("log", {})
        self.pauses: list[float] = []
        table = make_table(2, owned=[("events", 0), ("events", 1)])
        encoder = SlateEncoder(ManualClock(STAMP_MS / 1000))
        self.active = ActiveSlates(self.engine, encoder, self.as_of, table, self.measures)
        self.sweep = SimilarSweep(self.engine, stores.lists, table, stores.clock)
        self.repair = SlateRepair(
            stores.settings, self.active, stores.slates, stores.markers, self.sweep, stores.clock
        )
        self.learn(USERS)

    def learn(self, users: list[str], *, days_later: float = 0.0, event_type: str = "click") -> None:
        """One event of each user."""
        for partition in (0, 1):
            rows = [
                (user, "a", STAMP_MS / 1000 + DAY * days_later) for user in users if HOMES[user] == partition
            ]
            first = self.engine.submit(lambda e, p=partition: e.position.get(("events", p), 0)).result(30)
            span = Span("events", partition, 0, first, first + len(rows))
            batch = EventBatch.of(rows, span=span, event_type=event_type)
            self.engine.submit(lambda engine, batch=batch: engine.learn(batch)).result(30)
            self.as_of.learned(batch)

    async def look(self) -> int:
        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        return await self.repair.look(pause)

    async def stored(self) -> set[str]:
        return {user for user in USERS if await self.stores.slates.read(user) is not None}


def of(partition: int) -> set[str]:
    return {user for user in USERS if HOMES[user] == partition}


def told(store: StoreSettings, story: Callable[[Scene], Awaitable[None]]) -> None:
    async def tell(stores: Stores) -> None:
        scene = Scene(stores)
        await story(scene)
        scene.engine.close()

    with_stores(store, tell)


def test_users_of_owned_partitions_get_their_slates_again_and_the_marker_says_so(
    store: StoreSettings,
) -> None:
    async def story(scene: Scene) -> None:
        scene.repair.watch(0, "log", 6)
        assert await scene.look() == len(of(0))
        assert await scene.stored() == of(0)
        assert json.loads(await scene.stores.redis.execute("GET", "marker:0")) == {"log": "log", "offset": 5}
        assert await scene.look() == 0
        assert scene.measures.live()["slates_rewritten"] == len(of(0))

    told(store, story)


def test_several_partitions_are_written_in_one_go(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        scene.repair.watch(0, "log", 6)
        scene.repair.watch(1, "log", 6)
        assert await scene.look() == len(USERS)
        assert await scene.stored() == set(USERS)

    told(store, story)


def test_a_partition_that_is_not_owned_any_more_is_left_alone(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        scene.repair.watch(0, "log", 6)
        scene.repair.unwatch(0)
        assert await scene.look() == 0
        assert await scene.stored() == set()

    told(store, story)


def test_users_who_were_away_for_longer_than_slates_live_are_left_out(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        back = sorted(of(0))[:2]
        scene.learn(back * 8, days_later=11)  # one stamp alone would not be believed
        scene.repair.watch(0, "log", 6)
        assert await scene.look() == len(back)
        assert await scene.stored() == set(back)

    told(store, story)


def test_what_they_never_want_to_see_is_written_all_the_same(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        back, away = sorted(of(0))[:2], sorted(of(0))[2]
        scene.learn([away], event_type="hide")
        scene.learn(back * 8, days_later=11)
        scene.repair.watch(0, "log", 6)
        await scene.look()
        assert await scene.stored() == set(back)
        nevers = await scene.stores.slates.read_all(USERS, NEVER)
        assert {slate.user_id: [item.item_id for item in slate.items] for slate in nevers if slate} == {
            away: ["a"]
        }

    told(store, story)


def test_it_writes_no_faster_than_it_may(store: StoreSettings) -> None:
    slow = store.model_copy(update={"rewrite_per_second": 2})

    async def story(scene: Scene) -> None:
        scene.repair.watch(0, "log", 6)
        await scene.look()
        await scene.stores.redis.execute("FLUSHALL")
        await scene.look()
        assert scene.pauses == [0.0, pytest.approx(len(of(0)) / 2)]

    told(slow, story)


def test_losing_them_again_is_found_at_the_next_look(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        scene.repair.watch(0, "log", 6)
        assert await scene.look() == len(of(0))
        await scene.stores.redis.execute("FLUSHALL")
        assert await scene.look() == len(of(0))
        assert await scene.stored() == of(0)

    told(store, story)


def test_a_redis_that_goes_away_in_the_middle_is_repaired_at_the_next_look(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        scene.repair.watch(0, "log", 6)

        async def fails(_: float) -> None:
            raise Unavailable("redis", "down")

        with pytest.raises(Unavailable):
            await scene.repair.look(fails)
        assert await scene.look() == len(of(0))
        assert await scene.look() == 0

    told(store, story)


def test_slates_of_new_events_are_newer_and_stand(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        user = sorted(of(0))[0]
        newer = AsOfTable("log", {}).learned(
            EventBatch.of([(user, "b", STAMP_MS / 1000 + DAY)], span=Span("events", 0, 0, 900, 901))
        )
        assert newer is not None
        encoder = SlateEncoder(ManualClock(STAMP_MS / 1000))
        ranked = await scene.engine.ask(lambda engine: encoder.rank(engine, [user]))
        await scene.stores.slates.write(encoder.encode([user], ranked, newer))
        scene.repair.watch(0, "log", 6)
        assert await scene.look() == len(of(0)) - 1
        kept = await scene.stores.slates.read(user)
        assert kept is not None
        assert kept.as_of == newer

    told(store, story)
