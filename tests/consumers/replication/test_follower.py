"""The follower learns every record of what others serve once and in order, through every hand-over."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from stream_rec.bus.batch import Fetched
from stream_rec.bus.naming import on_bus
from stream_rec.bus.topics import ensure_topics, partition_counts
from stream_rec.consumers.replication.follower import Follower
from stream_rec.consumers.replication.learn_gate import LearnGate
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.replication.topic_watcher import TopicWatcher
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.embedded.tansu import TansuServer
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import FOLLOWED, TOPICS, full_name
from stream_rec.settings import BusSettings, EngineSettings, Settings
from tests.waiting import wait_until_async

TINY = EngineSettings(max_users=16, max_items=16)


class Notes:
    """A handler that notes the offsets it learns, with the engine's own guard of positions."""

    def __init__(self, name: TopicName) -> None:
        self._name = name
        self.learned: dict[int, list[int]] = defaultdict(list)

    def relearn(self, engine: Engine, fetched: Fetched) -> None:
        span = fetched.span()
        position = engine.position.get((self._name, fetched.partition), fetched.start)
        engine.learn(EventBatch.of([], span=span))  # raises GapError, and moves the position
        self.learned[fetched.partition] += [offset for offset in fetched.offsets if offset >= position]


class Scene:
    """A follower with an engine, and a table of partitions that the test keeps."""

    def __init__(self, bus: BusSettings) -> None:
        self.bus = bus
        self.core = Engine(TINY)
        self.engine = EngineThread(self.core)
        self.notes = {name: Notes(name) for name in FOLLOWED}
        self.spans: list[tuple[Span, int]] = []
        partitions = ensure_topics(bus)
        counts = {name: partitions[name] for name in FOLLOWED}
        self.table = PartitionTable(counts, dict.fromkeys(FOLLOWED, "log"))
        self.gate = LearnGate(
            self.table, self.notes, self.engine, lambda span, first, _: self.spans.append((span, first))
        )
        self.follower = Follower(bus, self.gate, self.engine, self.table)

    def tp(self, partition: int, name: TopicName = "events") -> TopicPartition:
        return TopicPartition(name, partition)

    def n_learned(self, name: TopicName = "events") -> int:
        return sum(map(len, self.notes[name].learned.values()))

    def assert_learned_once_and_in_order(self, ends: dict[int, int]) -> None:
        learned = {p: offsets for p, offsets in self.notes["events"].learned.items() if offsets}
        assert learned == {p: list(range(end)) for p, end in ends.items()}

    async def hand_over(self, *partitions: int) -> None:
        """As a rebalance does: all epochs grow twice, and nothing is owned in between."""
        for names in ((), partitions):
            self.table.epochs.advance(map(self.tp, range(self.table.count("events"))))
            self.own(*names)

    def own(self, *partitions: int) -> None:
        """These of `events` are owned; all others are followed."""
        self.table.assign(map(self.tp, partitions))
        self.follower.follow_others()


def follow(bus: BusSettings, meanwhile: Callable[[Scene], Awaitable[None]]) -> Scene:
    """Run a follower until `meanwhile` has returned; an error of the follower is raised."""

    async def scenario() -> Scene:
        scene = Scene(bus)
        running = asyncio.create_task(scene.follower.run())
        try:
            doing = asyncio.ensure_future(meanwhile(scene))
            await asyncio.wait([doing, running], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                doing.cancel()
                running.result()
            doing.result()
        finally:
            running.cancel()
            scene.engine.close()
        return scene

    return asyncio.run(scenario())


def write(bus: BusSettings, n: int, name: TopicName = "events", partitions: int = 4) -> None:
    """N records to each partition."""
    failed: list[KafkaError] = []

    def report(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer({"bootstrap.servers": bus.bootstrap, "queue.buffering.max.messages": 1_000_000})
    for i in range(n):
        for partition in range(partitions):
            producer.produce(full_name(bus.prefix, name), f"{i}", f"{i}", partition, on_delivery=report)
    assert producer.flush(60) == 0
    assert failed == []


def test_it_learns_every_partition_from_its_beginning_to_its_end_and_on(settings: Settings) -> None:
    bus = settings.bus

    async def meanwhile(scene: Scene) -> None:
        for name in FOLLOWED:
            await asyncio.to_thread(write, bus, 1_500, name, TOPICS[name].n_partitions(4))
        scene.own()
        written = {name: 1_500 * TOPICS[name].n_partitions(4) for name in FOLLOWED}
        await wait_until_async(lambda: {name: scene.n_learned(name) for name in FOLLOWED} == written)
        await asyncio.to_thread(write, bus, 700)
        await wait_until_async(lambda: scene.n_learned() == 8_800)
        await wait_until_async(lambda: {lag for _, _, lag in scene.follower.lags()} == {0}, what="no lag")
        assert len(list(scene.follower.lags())) == 14

    scene = follow(bus, meanwhile)
    scene.assert_learned_once_and_in_order(dict.fromkeys(range(4), 2_200))


def test_what_is_learned_is_told_in_order_and_without_gaps(tansu_settings: Settings) -> None:
    async def meanwhile(scene: Scene) -> None:
        await asyncio.to_thread(write, scene.bus, 1_000)
        scene.own()
        await wait_until_async(lambda: scene.n_learned() == 4_000)

    told: dict[int, int] = defaultdict(int)
    for span, first in follow(tansu_settings.bus, meanwhile).spans:
        assert (span.topic, span.start <= first < span.next) == ("events", True)
        assert first == told[span.partition]
        told[span.partition] = span.next
    assert told == dict.fromkeys(range(4), 1_000)


def test_it_begins_where_the_engine_stands(tansu_settings: Settings) -> None:
    async def meanwhile(scene: Scene) -> None:
        await asyncio.to_thread(write, scene.bus, 100)
        scene.core.position["events", 2] = 60
        scene.own()
        await wait_until_async(lambda: scene.n_learned() == 340)
        assert scene.notes["events"].learned[2] == list(range(60, 100))

    follow(tansu_settings.bus, meanwhile)


def test_a_stretch_is_learned_to_its_stop_and_one_past_the_end_of_the_log_to_that(
    settings: Settings,
) -> None:
    async def meanwhile(scene: Scene) -> None:
        await asyncio.to_thread(write, scene.bus, 1_000)
        reached: list[TopicPartition] = []
        await scene.follower.learn({scene.tp(0): 700, scene.tp(1): 9_999, scene.tp(2): 3}, reached.append)
        assert sorted(reached) == [scene.tp(0), scene.tp(1), scene.tp(2)]
        scene.assert_learned_once_and_in_order({0: 700, 1: 1_000, 2: 3})
        assert list(scene.follower.lags()) == []

    follow(settings.bus, meanwhile)


def test_partitions_that_go_to_an_agent_are_learned_no_further_even_if_slices_of_them_wait(
    tansu_settings: Settings,
) -> None:
    """The hand-over does not wait for the queue: what runs after it has an epoch that has passed."""

    async def meanwhile(scene: Scene) -> None:
        await asyncio.to_thread(write, scene.bus, 3_000)
        scene.own()
        await wait_until_async(lambda: scene.n_learned() > 0)
        gate, at_gate = threading.Event(), threading.Event()

        def hold(_: Engine) -> None:
            at_gate.set()
            assert gate.wait(30)

        held = scene.engine.submit(hold)
        await asyncio.to_thread(at_gate.wait, 30)
        await scene.hand_over(0, 1)
        before = dict(scene.core.position)
        gate.set()
        await asyncio.wrap_future(held)
        await wait_until_async(
            lambda: all(scene.core.position.get(("events", p), 0) == 3_000 for p in (2, 3)), what="the rest"
        )
        for p in (0, 1):
            assert scene.core.position.get(("events", p)) == before.get(("events", p))
        await scene.hand_over()
        await wait_until_async(lambda: scene.n_learned() == 12_000)

    scene = follow(tansu_settings.bus, meanwhile)
    scene.assert_learned_once_and_in_order(dict.fromkeys(range(4), 3_000))


def test_handed_over_there_and_back_under_traffic_nothing_is_lost_or_doubled(settings: Settings) -> None:
    async def meanwhile(scene: Scene) -> None:
        scene.own()
        for turn in range(12):
            writing = asyncio.create_task(asyncio.to_thread(write, scene.bus, 250))
            seen = scene.n_learned()
            await scene.hand_over(*range(turn % 4))
            await wait_until_async(lambda seen=seen: scene.n_learned() > seen)
            await writing
        await scene.hand_over()
        await wait_until_async(lambda: scene.n_learned() == 12_000)

    scene = follow(settings.bus, meanwhile)
    scene.assert_learned_once_and_in_order(dict.fromkeys(range(4), 3_000))


@pytest.mark.kafka
def test_partitions_that_are_added_are_followed_too(kafka: str, prefix: str) -> None:
    bus = BusSettings(bootstrap=kafka, prefix=prefix, group=f"{prefix}g", metadata_seconds=0.2)

    async def meanwhile(scene: Scene) -> None:
        watch = TopicWatcher(bus, scene.table, scene.follower.follow_added)
        watching = asyncio.create_task(watch.run())
        scene.own(0)
        await asyncio.to_thread(write, bus, 100)
        admin = AdminClient({"bootstrap.servers": kafka})
        added = admin.create_partitions([NewPartitions(full_name(prefix, "events"), 6)])
        for future in added.values():
            await asyncio.to_thread(future.result)
        # The broker says yes a moment before it names the new ones: a producer would refuse to write to them.
        await wait_until_async(lambda: partition_counts(bus, ["events"]).get("events") == 6)
        await asyncio.to_thread(write, bus, 100, partitions=6)
        await wait_until_async(lambda: scene.n_learned() == 800)
        watching.cancel()

    scene = follow(bus, meanwhile)
    scene.assert_learned_once_and_in_order({1: 200, 2: 200, 3: 200, 4: 100, 5: 100})


@pytest.mark.kafka
def test_records_deleted_before_they_were_learned_are_passed_over_and_said(
    kafka: str, prefix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    bus = BusSettings(bootstrap=kafka, prefix=prefix, group=f"{prefix}g")

    async def meanwhile(scene: Scene) -> None:
        await asyncio.to_thread(write, bus, 500)
        scene.core.position["events", 0] = 20
        admin = AdminClient({"bootstrap.servers": kafka})
        for future in admin.delete_records([on_bus(bus.prefix, scene.tp(0), 120)]).values():
            await asyncio.to_thread(future.result)
        scene.own()
        await wait_until_async(lambda: scene.n_learned() == 380 + 1_500)
        assert scene.notes["events"].learned[0] == list(range(120, 500))

    follow(bus, meanwhile)
    assert "records=100" in "".join(capfd.readouterr())


def test_while_the_broker_is_paused_it_waits_says_so_and_loses_nothing(
    prefix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with TansuServer.start(tmp_path) as broker:
        bus = BusSettings(
            bootstrap=broker.bootstrap, prefix=prefix, metadata_seconds=0.2, admin_timeout_seconds=1.0
        )

        async def meanwhile(scene: Scene) -> None:
            said = ""

            def has_said(what: str) -> bool:
                nonlocal said
                said += "".join(capfd.readouterr())
                return what in said

            watching = asyncio.create_task(TopicWatcher(bus, scene.table, scene.follower.follow_added).run())
            await asyncio.to_thread(write, bus, 200)
            scene.own()
            await wait_until_async(lambda: scene.n_learned() > 0)
            os.kill(broker.pid, signal.SIGSTOP)
            try:
                await wait_until_async(lambda: has_said("waiting for kafka"))
            finally:
                os.kill(broker.pid, signal.SIGCONT)
            await wait_until_async(lambda: has_said("the wait for kafka is over"))
            await asyncio.to_thread(write, bus, 200)
            await wait_until_async(lambda: scene.n_learned() == 1_600)
            watching.cancel()

        scene = follow(bus, meanwhile)
        scene.assert_learned_once_and_in_order(dict.fromkeys(range(4), 400))
