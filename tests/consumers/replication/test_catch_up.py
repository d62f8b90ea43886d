"""Before it joins the group, a worker learns what the group has served."""

from __future__ import annotations

import asyncio

from confluent_kafka import Consumer, TopicPartition

from stream_rec.consumers.replication.catch_up import catch_up
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings, Settings
from tests.consumers.replication.test_follower import Scene, follow, write


def test_before_it_joins_a_worker_learns_what_was_served_and_all_items_and_leaves_the_rest(
    settings: Settings,
) -> None:
    async def meanwhile(scene: Scene) -> None:
        await asyncio.to_thread(write, scene.bus, 500)
        await asyncio.to_thread(write, scene.bus, 200, "items")
        await asyncio.to_thread(commit, scene.bus, {0: 400, 1: 500})
        await asyncio.wait_for(catch_up(scene.bus, scene.engine, scene.follower, ["items"]), 30)
        scene.assert_learned_once_and_in_order({0: 400, 1: 500})
        assert scene.n_learned("items") == 800

    follow(settings.bus, meanwhile)


def commit(bus: BusSettings, offsets: dict[int, int]) -> None:
    consumer = Consumer({"bootstrap.servers": bus.bootstrap, "group.id": bus.group})
    topic = full_name(bus.prefix, "events")
    consumer.commit(offsets=[TopicPartition(topic, p, o) for p, o in offsets.items()], asynchronous=False)
    consumer.close()
