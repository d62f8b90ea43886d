"""The set of what a scenario's filter has stopped follows the catalogue, and is whole again after any loss."""

from __future__ import annotations

import pytest
import redis

from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import Item
from stream_rec.settings import StoreSettings
from tests.consumers.periodic.ruled import Scene, told

KEY = "removed:home"


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url)


class Sets:
    """What stands in Redis."""

    def __init__(self, store: StoreSettings) -> None:
        self.client = redis.Redis.from_url(store.url)

    def stopped(self) -> set[str]:
        return {item.decode() for item in self.client.zrange(KEY, 0, -1)}

    def lose(self) -> None:
        self.client.delete(KEY)


def test_an_item_that_the_filter_stops_is_in_the_set_until_it_is_let_through(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        sets = Sets(store)
        await scene.rule("home", filter="price < 2.0")
        await scene.moves.look()
        await scene.change(Item("i1", price=50.0))
        assert await scene.moves.look() > 0
        assert "i1" in sets.stopped()
        await scene.change(Item("i1", price=1.0))
        await scene.moves.look()
        assert "i1" not in sets.stopped()

    told(store, story)


def test_what_redis_loses_is_written_again_also_after_a_restart(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        sets = Sets(store)
        await scene.rule("home", filter="price < 2.0")
        await scene.look()
        await scene.change(Item("i1", price=50.0))
        await scene.look()
        before = sets.stopped()
        sets.lose()
        await scene.look()
        assert sets.stopped() == before
        await scene.restart()
        await scene.look()
        sets.lose()
        await scene.look()
        assert sets.stopped() == before

    told(store, story)


def test_of_a_set_that_is_lost_while_no_worker_runs_all_is_written_that_the_filter_stops(
    store: StoreSettings,
) -> None:
    async def story(scene: Scene) -> None:
        sets = Sets(store)
        await scene.rule("home", filter="price < 2.0")
        await scene.change(Item("i1", price=50.0))
        await scene.look()
        sets.lose()
        await scene.restart()
        await scene.look()
        assert sets.stopped() == {"i1", "i2", "i3", "i4"}

    told(store, story)


def test_who_takes_a_partition_over_looks_after_its_items(store: StoreSettings) -> None:
    async def story(scene: Scene) -> None:
        sets = Sets(store)
        scene.table.revoke([TopicPartition("items", 0)])
        await scene.rule("home", filter="price < 2.0")
        await scene.look()
        await scene.change(Item("i1", price=50.0))
        await scene.look()
        assert sets.stopped() == set()
        scene.table.assign([TopicPartition("items", 0)])
        await scene.look()
        assert "i1" in sets.stopped()

    told(store, story)


def test_a_scenario_that_comes_back_with_another_filter_shows_what_the_old_one_stopped(
    store: StoreSettings,
) -> None:
    async def story(scene: Scene) -> None:
        sets = Sets(store)
        await scene.rule("home", filter="price < 2.0")
        await scene.look()
        await scene.change(Item("i1", price=50.0))
        await scene.look()
        await scene.drop("home")
        await scene.look()
        await scene.rule("home", filter="price < 100.0")
        await scene.look()
        await scene.look()
        assert sets.stopped() == set()

    told(store, story)
