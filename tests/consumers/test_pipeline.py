"""A pipeline learns in the order of the log, writes behind, and acks in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from stream_rec.bus.batch import Fetched
from stream_rec.clock import SystemClock
from stream_rec.consumers.output.emitter import Receipt
from stream_rec.consumers.pipeline import BatchPipeline, PipelineContext
from stream_rec.consumers.replication.learn_gate import LearnGate
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.errors import GapError, Unavailable
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import EngineSettings, StoreSettings
from stream_rec.store.waiting import until_available
from tests.waiting import wait_until_async

STORE = StoreSettings(stop_grace_seconds=0.05, backoff_max_seconds=0.05)


class Desk:
    """Stands for the consumer: notes what is acked, dropped and read again."""

    def __init__(self) -> None:
        self.interrupted = asyncio.Event()
        self.acked: list[tuple[int, int]] = []
        self.dropped: list[tuple[int, int]] = []
        self.read_again: list[tuple[int, int]] = []
        self.log_begins = 0

    def ack(self, batch: Fetched) -> bool:
        self.acked.append((batch.partition, batch.start))
        return True

    def drop(self, batch: Fetched) -> None:
        self.dropped.append((batch.partition, batch.start))

    async def first_offset(self, _: TopicPartition) -> int:
        return self.log_begins

    async def reread(self, batch: Fetched, offset: int) -> None:
        self.read_again.append((batch.partition, offset))


@dataclass(frozen=True)
class Written:
    start: int
    receipt: Receipt


class Steps:
    """A handler that notes what it is told, and writes when it is let."""

    def __init__(self) -> None:
        self.learned: list[int] = []
        self.relearned: list[tuple[int, int]] = []
        self.written: list[int] = []
        self.measured: list[int] = []
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.learn_also: Callable[[Fetched], None] = lambda _: None
        self.write_also: Callable[[Fetched], Awaitable[None]] | None = None

    def decode(self, fetched: Fetched) -> Fetched:
        return fetched

    def learn(self, _engine: Engine, decoded: Fetched) -> Fetched:
        self.learn_also(decoded)
        self.learned.append(decoded.start)
        return decoded

    async def write(self, learned: Fetched, _stop: asyncio.Event) -> Written:
        if self.write_also is not None:
            await self.write_also(learned)
        await self.may_write.wait()
        self.written.append(learned.start)
        return Written(learned.start, Receipt(0, asyncio.get_running_loop()))

    def measure(self, written: Written) -> None:
        self.measured.append(written.start)

    def relearn(self, _engine: Engine, fetched: Fetched) -> None:
        self.relearned.append((fetched.start, fetched.next))


class Scene:
    """A pipeline with a desk, a handler, and a note of what went wrong."""

    def __init__(self, *, urgent: bool = False) -> None:
        self.desk, self.steps = Desk(), Steps()
        self.failures: list[BaseException] = []
        self.engine = EngineThread(Engine(EngineSettings(max_users=16, max_items=16)))
        self.until = partial(until_available, settings=STORE, clock=SystemClock())
        self.table = PartitionTable({"events": 2}, {"events": "log"})
        self.next_epoch()
        gate = LearnGate(self.table, {"events": self.steps}, self.engine, lambda *_: None)
        context = PipelineContext(self.engine, gate, self.until, self.failures.append)
        self.pipeline = BatchPipeline(self.steps, context, urgent=urgent)

    def next_epoch(self) -> None:
        self.table.epochs.advance([TopicPartition("events", 0), TopicPartition("events", 1)])

    async def take(self, batch: Fetched) -> None:
        await self.pipeline.take(batch, self.desk)


def batch(start: int, *, partition: int = 0, epoch: int = 1) -> Fetched:
    return Fetched("events", partition, epoch, start, start + 10)


def test_batches_are_learned_written_measured_and_acked_in_order() -> None:
    async def scenario() -> None:
        scene = Scene()
        for start in range(0, 100, 10):
            await scene.take(batch(start))
        await scene.pipeline.idle()
        wanted = list(range(0, 100, 10))
        assert scene.steps.learned == scene.steps.written == scene.steps.measured == wanted
        assert scene.desk.acked == [(0, start) for start in wanted]
        assert scene.desk.dropped == []

    asyncio.run(scenario())


def test_the_engine_goes_on_while_slates_are_on_their_way() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.steps.may_write.clear()
        for start in (0, 10, 20):
            await scene.take(batch(start))
        await wait_until_async(lambda: scene.steps.learned == [0, 10, 20])
        assert scene.desk.acked == []
        scene.steps.may_write.set()
        await scene.pipeline.idle()
        assert [start for _, start in scene.desk.acked] == [0, 10, 20]

    asyncio.run(scenario())


def test_an_urgent_batch_is_learned_before_what_is_queued() -> None:
    async def scenario() -> None:
        scene = Scene(urgent=True)
        begun, gate = threading.Event(), threading.Event()
        scene.engine.submit(lambda _: (begun.set(), gate.wait(30)))
        assert begun.wait(30)
        others = [scene.engine.submit(lambda _: list(scene.steps.learned)) for _ in range(2)]
        await scene.take(batch(0))
        gate.set()
        await scene.pipeline.idle()
        assert [each.result(30) for each in others] == [[0], [0]]

    asyncio.run(scenario())


def test_a_batch_out_of_date_is_dropped_and_nothing_is_learned_from_it() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.next_epoch()
        await scene.take(batch(0, epoch=1))
        await scene.take(batch(0, epoch=2))
        await scene.pipeline.idle()
        assert scene.steps.learned == [0]
        assert (scene.desk.dropped, scene.desk.acked) == ([(0, 0)], [(0, 0)])

    asyncio.run(scenario())


def test_when_told_to_stop_batches_that_cannot_be_written_are_dropped_and_none_behind_them_is_acked() -> None:
    async def scenario() -> None:
        scene = Scene()
        down = True

        async def write(_work: Fetched) -> None:
            async def attempt() -> None:
                if down:
                    raise Unavailable("redis", "down")

            await scene.until(attempt, what="write", stops=[scene.desk.interrupted])

        scene.steps.write_also = write
        for start in (0, 10, 20):
            await scene.take(batch(start))
        await wait_until_async(lambda: scene.steps.learned == [0, 10, 20])
        scene.desk.interrupted.set()
        down = False  # it comes back too late: the first batch may be lost to us already
        await scene.pipeline.idle()
        acked = [start for _, start in scene.desk.acked]
        assert acked == [0, 10, 20][: len(acked)]
        assert sorted(acked + [start for _, start in scene.desk.dropped]) == [0, 10, 20]
        assert scene.failures == []

    asyncio.run(scenario())


def test_a_batch_that_gave_up_holds_back_the_later_ones_of_its_partition_only_until_the_next_epoch() -> None:
    async def scenario() -> None:
        scene = Scene()

        async def write(work: Fetched) -> None:
            async def attempt() -> None:
                if work.epoch == 1:
                    raise Unavailable("redis", "down")

            await scene.until(attempt, what="write", stops=[scene.desk.interrupted])

        scene.steps.write_also = write
        await scene.take(batch(0))
        await scene.take(batch(10))
        await wait_until_async(lambda: scene.steps.learned == [0, 10])
        scene.desk.interrupted.set()
        await scene.pipeline.idle()
        scene.desk.interrupted = asyncio.Event()
        scene.next_epoch()
        await scene.take(batch(0, epoch=2))
        await scene.pipeline.idle()
        assert scene.desk.dropped == [(0, 0), (0, 10)]
        assert scene.desk.acked == [(0, 0)]

    asyncio.run(scenario())


def test_a_gap_is_read_again_and_the_batch_is_not_acked() -> None:
    async def scenario() -> None:
        scene = Scene()

        def misses_events(work: Fetched) -> None:
            raise GapError("events", work.partition, 3, work.start)

        scene.steps.learn_also = misses_events
        await scene.take(batch(10))
        await scene.pipeline.idle()
        assert scene.desk.read_again == [(0, 3)]
        assert (scene.desk.acked, scene.desk.dropped) == ([], [(0, 10)])
        assert scene.steps.relearned == []

    asyncio.run(scenario())


def test_what_the_log_has_deleted_since_is_passed_over_and_reading_goes_on_behind_it() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.desk.log_begins = 7

        def misses_events(work: Fetched) -> None:
            raise GapError("events", work.partition, 3, work.start)

        scene.steps.learn_also = misses_events
        await scene.take(batch(10))
        await scene.pipeline.idle()
        assert scene.steps.relearned == [(3, 7)]
        assert scene.desk.read_again == [(0, 7)]

    asyncio.run(scenario())


def test_a_bug_is_reported_and_the_batch_is_not_acked() -> None:
    async def scenario() -> None:
        scene = Scene()

        def has_a_bug(work: Fetched) -> None:
            if work.start == 10:
                raise ZeroDivisionError

        scene.steps.learn_also = has_a_bug
        for start in (0, 10, 20):
            await scene.take(batch(start))
        await scene.pipeline.idle()
        assert [type(failure) for failure in scene.failures] == [ZeroDivisionError]
        assert scene.desk.acked == [(0, 0)]

    asyncio.run(scenario())


def test_partitions_do_not_wait_for_each_others_acks() -> None:
    async def scenario() -> None:
        scene = Scene()

        def misses_events(work: Fetched) -> None:
            if work.partition == 0:
                raise GapError("events", 0, 3, work.start)

        scene.steps.learn_also = misses_events
        await scene.take(batch(10, partition=0))
        await scene.take(batch(10, partition=1))
        await scene.pipeline.idle()
        assert scene.desk.acked == [(1, 10)]

    asyncio.run(scenario())
