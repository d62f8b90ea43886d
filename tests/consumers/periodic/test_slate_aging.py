"""Slates of users who are away: whose are renewed, how fast, and how long they live."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from stream_rec.consumers.periodic.slate_aging import SlateAging
from stream_rec.schemas.columns import EventBatch
from stream_rec.settings import StoreSettings
from stream_rec.store.keys import Keys
from tests.consumers.parts import STAMP_MS, make_table
from tests.consumers.periodic.test_slate_repair import DAY, Scene, of
from tests.store.building import Stores, with_stores

TTL = 10 * int(DAY)


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url, slate_ttl_seconds=TTL, renew_after_seconds=2 * DAY)


class Aging(Scene):
    """A scene whose worker owns one partition of two."""

    def __init__(self, stores: Stores) -> None:
        super().__init__(stores)
        owner = make_table(2, owned=[("events", 0)])
        self.aging = SlateAging(stores.settings, self.engine, self.active, stores.slates, owner, stores.clock)

    async def walk(self) -> int:
        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)
            self.stores.clock.advance(seconds)

        return await self.aging.walk(pause)


def told(store: StoreSettings, story: Callable[[Aging], Awaitable[None]]) -> None:
    async def tell(stores: Stores) -> None:
        scene = Aging(stores)
        await story(scene)
        scene.engine.close()

    with_stores(store, tell)


def test_slates_of_our_users_who_have_been_away_are_renewed(store: StoreSettings) -> None:
    here = sorted(of(0))[0]

    async def story(scene: Aging) -> None:
        assert await scene.walk() == 0  # all of them have just been here
        scene.learn([here], days_later=1.5)
        assert await scene.walk() == len(of(0)) - 1
        assert await scene.stored() == of(0) - {here}
        before = await scene.stores.slates.read(sorted(of(0))[1])
        scene.learn([here], days_later=3.0)
        assert await scene.walk() == len(of(0)) - 1
        after = await scene.stores.slates.read(sorted(of(0))[1])
        assert before is not None
        assert after is not None
        assert after.as_of.offset > before.as_of.offset

    told(store, story)


def test_who_has_left_for_good_is_not_renewed_and_a_renewed_slate_ends_when_it_would_have(
    store: StoreSettings,
) -> None:
    here, gone = sorted(of(0))[:2]

    async def story(scene: Aging) -> None:
        for days in (2.0, 4.0):
            scene.learn([here], days_later=days)
        await scene.walk()
        key = Keys(store.prefix).slate("default", gone)
        (left,) = await scene.stores.redis.pipeline([("TTL", key)])
        assert 5.99 * DAY < left <= 6 * DAY
        await scene.stores.redis.pipeline([("UNLINK", key)])
        for days in (6.0, 8.0, 10.0, 10.5):
            scene.learn([here], days_later=days)
        assert await scene.walk() == 0
        assert await scene.stores.slates.read(gone) is None

    told(store, story)


def test_a_slate_that_an_event_has_brought_meanwhile_stands(store: StoreSettings) -> None:
    here, away = sorted(of(0))[:2]

    async def story(scene: Aging) -> None:
        scene.learn([here], days_later=2.0)
        made = await scene.active.make((await scene.active.rows(TTL)), [0])
        scene.learn([away], days_later=2.1)
        rows = await scene.active.rows(0.2 * DAY)
        fresh = [slate for slate in await scene.active.make(rows, [0]) if slate.user_id == away]
        await scene.stores.slates.write(fresh)
        old = [slate for slate in made if slate.user_id == away]
        assert (await scene.stores.slates.write(old, ttl_seconds=5)).n_stale == len(old)
        (left,) = await scene.stores.redis.pipeline([("TTL", Keys(store.prefix).slate("default", away))])
        assert left > 5

    told(store, story)


def test_a_walk_is_spread_over_the_time_that_it_has(store: StoreSettings) -> None:
    many = [(f"v{n}", "a", STAMP_MS / 1000) for n in range(60)]
    often = store.model_copy(update={"renew_after_seconds": 20.0})

    async def story(scene: Aging) -> None:
        await scene.engine.ask(lambda engine: engine.learn(EventBatch.of(many)))
        scene.learn(sorted(of(0))[:1], days_later=2.0)
        await scene.walk()
        assert 3.0 < sum(scene.pauses) <= 8.0  # of two slices the second comes about half way

    told(often, story)


def test_no_walk_writes_faster_than_it_may(store: StoreSettings) -> None:
    many = [(f"v{n}", "a", STAMP_MS / 1000) for n in range(60)]
    hasty = store.model_copy(update={"renew_after_seconds": 2.0, "rewrite_per_second": 10})

    async def story(scene: Aging) -> None:
        await scene.engine.ask(lambda engine: engine.learn(EventBatch.of(many)))
        scene.learn(sorted(of(0))[:1], days_later=2.0)
        await scene.walk()
        assert sum(scene.pauses) == pytest.approx(32 / 10)

    told(hasty, story)
