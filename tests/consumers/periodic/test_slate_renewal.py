"""Slates of users who are away, when rules change: whose are renewed, which go, and what takes precedence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from stream_rec.consumers.periodic.slate_renewal import AFTER_TAKEOVER_SECONDS, SlateRenewal
from stream_rec.schemas.decisions import Decision
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import StoreSettings
from stream_rec.store.encoding import EncodedSlate
from tests.consumers.parts import STAMP_MS, make_table
from tests.consumers.periodic.test_slate_repair import DAY, USERS, Scene, of
from tests.engine.deciding import decide, decision, scenario
from tests.engine.worlds import click
from tests.store.building import Stores, with_stores


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url, slate_ttl_seconds=10 * int(DAY), rewrite_per_second=1_000_000)


class Renewing(Scene):
    """A scene whose worker owns one partition of two."""

    def __init__(self, stores: Stores) -> None:
        super().__init__(stores)
        self.owner = make_table(2, owned=[("events", 0)])
        stores.clock.advance(STAMP_MS / 1000 - stores.clock.now())
        self.renewal = SlateRenewal(
            stores.settings, self.engine, self.active, stores.slates, self.owner, stores.clock
        )

    async def decide(self, *decisions: Decision) -> None:
        def now(engine: object) -> None:
            decide(engine, *decisions)  # type: ignore[arg-type]
            self.as_of.decided(engine.position["control", 0])  # type: ignore[attr-defined]

        await self.engine.ask(now)

    async def renew(self) -> int:
        async def pause(_: float) -> None:
            return None

        return await self.renewal.look(pause)

    async def pass_to(self, event_time: float) -> None:
        """An event says how late it is."""
        user = min(of(0))
        await self.engine.ask(lambda engine: click(engine, (user, "a", event_time)))

    async def with_slates(self, name: str) -> set[str]:
        return {user for user in USERS if await self.stores.slates.read(user, name) is not None}


def told(store: StoreSettings, story: Callable[[Renewing], Awaitable[None]]) -> None:
    async def tell(stores: Stores) -> None:
        scene = Renewing(stores)
        await story(scene)
        scene.engine.close()

    with_stores(store, tell)


def test_users_of_our_partitions_get_slates_of_what_is_new_and_of_nothing_else(store: StoreSettings) -> None:
    async def story(scene: Renewing) -> None:
        assert await scene.renew() == 0
        await scene.decide(scenario("home", k=2))
        assert await scene.renew() == len(of(0))
        assert await scene.with_slates("home") == of(0)
        assert await scene.with_slates("default") == set()
        assert await scene.renew() == 0

    told(store, story)


def test_slates_of_a_scenario_that_is_off_go(store: StoreSettings) -> None:
    async def story(scene: Renewing) -> None:
        await scene.renew()
        await scene.decide(scenario("home", k=2))
        await scene.renew()
        await scene.decide(scenario("home", on=False))
        assert await scene.renew() == len(of(0))
        assert await scene.with_slates("home") == set()
        await scene.decide(scenario("home", k=1), decision("scenario", "home", None))
        assert await scene.renew() == 0

    told(store, story)


def test_a_partition_that_is_taken_over_is_renewed_for_what_changed_of_late(store: StoreSettings) -> None:
    async def story(scene: Renewing) -> None:
        now = STAMP_MS / 1000
        old, late = now - AFTER_TAKEOVER_SECONDS - 1, now - 10
        await scene.decide(
            decision("scenario", "old", {"k": 1}, old), decision("scenario", "home", {"k": 1}, late)
        )
        await scene.renew()
        assert await scene.with_slates("old") == set()
        assert await scene.with_slates("home") == of(0)
        scene.owner.assign([TopicPartition("events", 0), TopicPartition("events", 1)])
        await scene.renew()
        assert await scene.with_slates("home") == of(0) | of(1)

    told(store, story)


def test_a_slate_under_older_rules_does_not_replace_a_newer_one(store: StoreSettings) -> None:
    async def story(scene: Renewing) -> None:
        await scene.renew()
        rows = await scene.active.rows(DAY)
        before: list[EncodedSlate] = await scene.active.make(rows, [0])
        await scene.decide(scenario("default", k=1))
        await scene.renew()
        written = await scene.stores.slates.write(before)
        assert (written.n_written, written.n_stale) == (0, len(of(0)))
        slate = await scene.stores.slates.read(next(iter(of(0))))
        assert slate is not None
        assert (len(slate.items), slate.as_of.rules) == (1, 0)

    told(store, story)


def test_slates_turn_when_a_scenarios_time_or_a_promotions_is_over(store: StoreSettings) -> None:
    """No record says so then: event time does."""

    async def story(scene: Renewing) -> None:
        await scene.renew()
        now = await scene.engine.ask(lambda engine: engine.event_time)
        sale = scenario("sale", k=2, until=now + 100)
        home = scenario("home", k=2, promotions=[{"items": ["a"], "until": now + 200}])
        later = scenario("later", k=2, **{"from": now + 100})
        await scene.decide(sale, home, later)
        await scene.engine.ask(lambda engine: engine.compile_rules())
        await scene.renew()
        assert await scene.with_slates("sale") == await scene.with_slates("home") == of(0)
        assert await scene.renew() == 0
        await scene.pass_to(now + 150)
        assert await scene.renew() == 2 * len(of(0))
        assert (await scene.with_slates("sale"), await scene.with_slates("later")) == (set(), of(0))
        await scene.pass_to(now + 250)
        assert await scene.renew() == len(of(0))
        assert await scene.renew() == 0

    told(store, story)
