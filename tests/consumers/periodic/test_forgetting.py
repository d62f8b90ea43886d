"""Forgotten users in Redis: whose slates go, until when it is looked for more, and what the receipt says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from stream_rec.consumers.handlers.control import ForgottenUsers
from stream_rec.consumers.periodic.forgetting import QUIET_LOOKS, Forgetting, ForgettingStores
from stream_rec.kernels.ids import hash_id
from stream_rec.schemas.decisions import Decision, hash_name
from stream_rec.settings import StoreSettings
from stream_rec.store.forgotten import ReceiptStore, WorkerReceipt
from stream_rec.store.reader import Reader
from tests.consumers.parts import STAMP_MS, make_table
from tests.consumers.periodic.test_slate_repair import DAY, HOMES, Scene, of
from tests.engine.deciding import decide, erasure, merge
from tests.store.building import Stores, with_stores

LATER = STAMP_MS / 1000 + 100
ANN = min(of(0))
"""A user whose slates are ours."""
BOB = min(of(1))
"""One whose slates are another worker's."""


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url, slate_ttl_seconds=10 * int(DAY))


class ForgettingScene(Scene):
    """A scene whose worker owns one partition of two; all users have slates."""

    def __init__(self, stores: Stores) -> None:
        super().__init__(stores)
        self.queue = ForgottenUsers()
        owner = make_table(2, owned=[("events", 0)])
        receipts = ReceiptStore(stores.redis, stores.settings, worker="w1")
        where = ForgettingStores(stores.slates, receipts)
        self.forgetting = Forgetting(self.queue, self.engine, self.active, where, owner, stores.clock)

    async def decide(self, decision: Decision) -> None:
        for forgotten in await self.engine.ask(lambda engine: decide(engine, decision)):
            self.queue.add(forgotten)

    async def write_slates(self) -> None:
        slates = await self.active.make(await self.active.rows(DAY), [0, 1])
        await self.stores.slates.write(slates)


def told(store: StoreSettings, story: Callable[[ForgettingScene], Awaitable[None]]) -> None:
    async def tell(stores: Stores) -> None:
        scene = ForgettingScene(stores)
        await scene.write_slates()
        await story(scene)
        scene.engine.close()

    with_stores(store, tell)


def receipts(store: StoreSettings, user: str) -> dict[str, WorkerReceipt]:
    reader = Reader(store)
    try:
        return reader.receipts(hash_name(hash_id(user)))
    finally:
        reader.close()


def test_the_owner_deletes_the_slates_and_says_so(store: StoreSettings) -> None:
    async def story(scene: ForgettingScene) -> None:
        await scene.decide(erasure(ANN, LATER))
        await scene.forgetting.look()
        assert await scene.stored() == set(HOMES) - {ANN}

    told(store, story)
    (receipt,) = receipts(store, ANN).values()
    assert (receipt.offset, receipt.was_known, receipt.events, receipt.slates) == (0, True, 1, 1)


def test_another_worker_deletes_them_too_for_the_owner_may_be_stopped(store: StoreSettings) -> None:
    async def story(scene: ForgettingScene) -> None:
        await scene.decide(erasure(BOB, LATER))
        await scene.forgetting.look()
        assert BOB not in await scene.stored()

    told(store, story)
    (receipt,) = receipts(store, BOB).values()
    assert (receipt.was_known, receipt.slates) == (True, 1)


def test_a_slate_that_was_on_its_way_is_deleted_too(store: StoreSettings) -> None:
    async def story(scene: ForgettingScene) -> None:
        on_its_way = await scene.active.make(await scene.active.rows(DAY), [0])
        await scene.decide(erasure(ANN, LATER))
        await scene.forgetting.look()
        await scene.stores.slates.write(on_its_way)
        done = [await scene.forgetting.look() for _ in range(QUIET_LOOKS + 1)]
        assert ANN not in await scene.stored()
        assert sum(done) == 1

    told(store, story)
    (receipt,) = receipts(store, ANN).values()
    assert receipt.slates == 2


def test_who_is_back_keeps_the_new_slates(store: StoreSettings) -> None:
    async def story(scene: ForgettingScene) -> None:
        await scene.decide(erasure(ANN, LATER))
        scene.learn([ANN], days_later=1.0)
        await scene.write_slates()
        await scene.forgetting.look()
        assert ANN in await scene.stored()

    told(store, story)


def test_whom_nobody_knew_gets_a_receipt_all_the_same(store: StoreSettings) -> None:
    async def story(scene: ForgettingScene) -> None:
        await scene.decide(erasure("nobody", LATER))
        await scene.forgetting.look()

    told(store, story)
    (receipt,) = receipts(store, "nobody").values()
    assert (receipt.was_known, receipt.events, receipt.slates) == (False, 0, 0)


def test_who_a_visitor_became_has_a_slate_and_the_visitor_has_none(store: StoreSettings) -> None:
    async def story(scene: ForgettingScene) -> None:
        user = next(user for user in of(0) if user != ANN)
        await scene.decide(merge(ANN, user, LATER))
        await scene.stores.slates.delete([("default", user)])
        await scene.forgetting.look()
        assert ANN not in await scene.stored()
        assert user in await scene.stored()

    told(store, story)


def test_whom_only_passed_over_events_name_is_looked_for(store: StoreSettings) -> None:
    """As when the only worker that knew the user was killed, and this one has read the decision before the events."""

    async def story(scene: ForgettingScene) -> None:
        await scene.decide(erasure("guest", LATER))
        await scene.forgetting.look()
        bobs = await scene.active.make(await scene.active.rows(DAY), [0, 1])
        await scene.stores.slates.write([slate._replace(user_id="guest") for slate in bobs[:1]])
        scene.queue.meet(["guest"])
        assert scene.forgetting.owes
        await scene.forgetting.look()
        assert not scene.forgetting.owes
        assert await scene.stores.slates.read("guest") is None

    told(store, story)
    (receipt,) = receipts(store, "guest").values()
    assert (receipt.offset, receipt.was_known, receipt.slates) == (0, True, 1)


def test_who_is_back_keeps_slates_though_old_events_are_passed_over(store: StoreSettings) -> None:
    async def story(scene: ForgettingScene) -> None:
        scene.queue.meet([ANN])
        await scene.forgetting.look()
        assert ANN in await scene.stored()

    told(store, story)
