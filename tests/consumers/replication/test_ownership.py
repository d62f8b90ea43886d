"""Partitions come and go: what is learned first, who watches what, and when batches may come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import pytest

from stream_rec.consumers.replication.ownership import Ownership
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName
from tests.consumers.parts import make_table

EVENTS, MORE, ITEMS = TopicPartition("events", 0), TopicPartition("events", 1), TopicPartition("items", 0)


class Parts:
    """All that an Ownership works with; notes what it is told, in order."""

    def __init__(self) -> None:
        self.said: list[object] = []
        self.table = make_table()
        self.positions: dict[TopicPartition, int] = {}
        self.recreated = self.redis_is_down = False
        self.may_learn = asyncio.Event()
        self.may_learn.set()
        self.opened: list[TopicPartition] = []
        self.ownership = Ownership(self.table, self, self, self, self, "http://metrics")

    # The topics.

    async def check_topic_ids(self) -> None:
        self.said.append("topic ids checked")
        if self.recreated:
            raise ConfigError("topic events was deleted and recreated", fix="start again")

    # The follower.

    def follow_others(self) -> None:
        self.said.append(("follow all but", sorted(self.table.owned)))

    async def behind(self, stops: Mapping[TopicPartition, int | None]) -> dict[TopicPartition, int]:
        return {tp: stop for tp, stop in stops.items() if stop and self.positions.get(tp, 0) < stop}

    async def learn(
        self, stops: Mapping[TopicPartition, int], reached: Callable[[TopicPartition], None]
    ) -> None:
        self.said.append(("learn up to", dict(stops)))
        await self.may_learn.wait()
        for tp in stops:
            reached(tp)

    # The metrics.

    def assign(self, partitions: Iterable[tuple[TopicName, int]]) -> None:
        self.said.append(("measure", sorted(partitions)))

    async def release(self, partitions: Iterable[tuple[TopicName, int]]) -> None:
        self.said.append(("last points of", sorted(partitions)))

    # The repair.

    def watch(self, partition: int, log: str, committed: int | None) -> None:
        self.said.append(("watch", partition, log, committed))

    def unwatch(self, partition: int) -> None:
        self.said.append(("unwatch", partition))

    async def look(self) -> None:
        self.said.append("look for lost slates")
        if self.redis_is_down:
            raise Unavailable("redis", "down")

    # The consumer.

    def open(self, partitions: Iterable[TopicPartition]) -> None:
        self.opened += sorted(partitions)

    async def assigned(self, starts: Mapping[TopicPartition, int | None]) -> None:
        await self.ownership.assigned(starts, self.open)


def test_a_new_group_watches_measures_looks_once_and_serves_at_once() -> None:
    async def scenario() -> None:
        parts = Parts()
        await parts.assigned({EVENTS: None, ITEMS: None})
        assert parts.said == [
            "topic ids checked",
            ("measure", [("events", 0), ("items", 0)]),
            ("watch", 0, "events-log", None),
            ("follow all but", [("events", 0), ("items", 0)]),
            "look for lost slates",
        ]
        assert parts.opened == [EVENTS, ITEMS]
        assert parts.table.ready.is_set()

    asyncio.run(scenario())


def test_a_new_group_begins_also_while_redis_is_away() -> None:
    async def scenario() -> None:
        parts = Parts()
        parts.redis_is_down = True
        await parts.assigned({EVENTS: None})
        assert parts.opened == [EVENTS]

    asyncio.run(scenario())


def test_what_others_have_served_is_learned_before_batches_of_that_partition_come() -> None:
    """The others need not wait for it."""

    async def scenario() -> None:
        parts = Parts()
        parts.positions = {EVENTS: 10, ITEMS: 7}
        parts.may_learn.clear()
        assigning = asyncio.create_task(parts.assigned({EVENTS: 50, MORE: None, ITEMS: 7}))
        while ("learn up to", {EVENTS: 50}) not in parts.said:
            await asyncio.sleep(0)
        assert parts.opened == [MORE, ITEMS]
        assert not parts.table.ready.is_set()
        parts.may_learn.set()
        await assigning
        assert parts.opened == [MORE, ITEMS, EVENTS]
        assert parts.table.ready.is_set()
        assert "look for lost slates" not in parts.said

    asyncio.run(scenario())


def test_partitions_that_go_are_followed_unwatched_and_send_their_last_points() -> None:
    async def scenario() -> None:
        parts = Parts()
        await parts.assigned({EVENTS: None, ITEMS: None})
        parts.said.clear()
        await parts.ownership.revoked({EVENTS, ITEMS})
        assert parts.said == [
            ("follow all but", []),
            ("unwatch", 0),
            ("last points of", [("events", 0), ("items", 0)]),
        ]
        assert parts.table.owned == frozenset()
        assert parts.table.ready.is_set()

    asyncio.run(scenario())


def test_revoking_nothing_leaves_the_follower_alone() -> None:
    async def scenario() -> None:
        parts = Parts()
        await parts.ownership.revoked(set())
        assert parts.said == [("last points of", [])]

    asyncio.run(scenario())


def test_a_worker_that_owns_nothing_follows_everything_and_is_ready() -> None:
    async def scenario() -> None:
        parts = Parts()
        await parts.assigned({})
        assert ("follow all but", []) in parts.said
        assert parts.opened == []
        assert parts.table.ready.is_set()

    asyncio.run(scenario())


def test_nothing_is_taken_over_from_a_topic_that_was_deleted_and_recreated() -> None:
    async def scenario() -> None:
        parts = Parts()
        parts.recreated = True
        with pytest.raises(ConfigError, match="deleted and recreated"):
            await parts.assigned({EVENTS: 5})
        assert parts.table.owned == frozenset()
        assert parts.opened == []

    asyncio.run(scenario())
