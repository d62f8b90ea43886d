"""The consumer's books, driven without a broker: what is acked, what may be committed, what is kept in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping

from faust.types import TP

from stream_rec.bus.batch import Fetched
from stream_rec.bus.batch_app import BatchApp
from stream_rec.bus.epochs import Epochs
from stream_rec.bus.naming import ours
from stream_rec.bus.transport import BatchConsumer
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import BusSettings

TOPIC = "events"
BATCH = 500


class Log:
    """A broker's log without a broker: as many batches as wanted, for as many partitions."""

    def __init__(self, consumer: BatchConsumer, n_partitions: int) -> None:
        self._consumer = consumer
        self.ends = {TP(TOPIC, p): 0 for p in range(n_partitions)}

    async def fetch(
        self, partitions: Collection[TP], credits: Mapping[str, int], _timeout: float
    ) -> list[Fetched]:
        return [self.next(tp) for tp in sorted(partitions)[: credits[TOPIC]]]

    def next(self, tp: TP, records: int = BATCH) -> Fetched:
        start = self.ends[tp]
        self.ends[tp] = start + records
        offsets = list(range(start, start + records))
        return Fetched(
            TOPIC,
            tp.partition,
            self._consumer.epochs.of(ours("", tp)),
            start,
            start + records,
            [],
            [],
            offsets,
            [],
        )

    def wake(self) -> None: ...

    def assignment(self) -> set[TP]:
        return set(self.ends)


class Nobody:
    """An owner who is always ready."""

    async def assigned(
        self, starts: Mapping[TopicPartition, int | None], open_: Callable[[Iterable[TopicPartition]], None]
    ) -> None: ...

    async def revoked(self, partitions: Collection[TopicPartition]) -> None: ...


class Failures(list[BaseException]):
    """What has ended the process."""

    @property
    def failed(self) -> bool:
        return bool(self)

    def fail(self, error: BaseException) -> None:
        self.append(error)


class Desk:
    """A consumer with partitions assigned and opened, and the log it reads."""

    def __init__(self, n_partitions: int = 4) -> None:
        bus = BusSettings(bootstrap="127.0.0.1:1", stream_buffer_batches=8)
        self.failures = Failures()
        self.app = BatchApp(bus, Epochs(), Nobody(), self.failures)
        self.consumer: BatchConsumer = self.app.consumer
        self.log = Log(self.consumer, n_partitions)
        self.consumer._thread = self.log
        self.app.topics._acking_topics.add(TOPIC)
        self.consumer.epochs.advance(self.log.ends)
        self.consumer._set_active_tps(set(self.log.ends))
        self.consumer.open(ours("", tp) for tp in self.log.ends)

    async def fetch(self) -> list[Fetched]:
        return [message.value async for _, message in self.consumer.getmany()]

    def committable(self) -> dict[int, int]:
        """What a commit would write now; the acks behind it are forgotten, as in a commit."""
        return {
            tp.partition: offset
            for tp in self.log.ends
            if (offset := self.consumer._new_offset(tp)) is not None
        }

    def acks_in_memory(self) -> int:
        consumer = self.consumer
        return sum(map(len, consumer._acked.values())) + sum(map(len, consumer._acked_index.values()))


def test_the_committed_offset_is_the_one_after_the_last_acked_batch() -> None:
    async def scenario() -> None:
        desk = Desk(n_partitions=2)
        first, second = await desk.fetch(), await desk.fetch()
        assert desk.consumer.ack(first[0])
        assert desk.committable() == {0: BATCH}
        assert desk.consumer.ack(second[0])
        assert desk.consumer.ack(first[1])
        assert desk.committable() == {0: 2 * BATCH, 1: BATCH}
        assert desk.committable() == {}

    asyncio.run(scenario())


def test_five_million_acked_events_leave_nothing_behind() -> None:
    """Acks between two commits are batches, not events, and a commit forgets them."""

    async def scenario() -> None:
        desk = Desk(n_partitions=4)
        acked = most = 0
        while acked < 5_000_000:
            for batch in await desk.fetch():
                acked += len(batch)
                assert desk.consumer.ack(batch)
            most = max(most, desk.acks_in_memory())
            if acked % (100 * BATCH) == 0:
                desk.committable()
        assert most <= 2 * 100
        desk.committable()
        assert desk.acks_in_memory() == 0
        assert len(desk.consumer._gap) == 0
        assert not any(desk.consumer._in_hand.values())
        assert len(desk.consumer._unacked_messages) == 0

    asyncio.run(scenario())


def test_no_more_batches_come_than_the_topic_has_credits_and_an_ack_gives_one_back() -> None:
    async def scenario() -> None:
        desk = Desk(n_partitions=4)
        in_hand = [*await desk.fetch(), *await desk.fetch()]
        assert len(in_hand) == 8
        assert await desk.fetch() == []
        desk.consumer.ack(in_hand[0])
        desk.consumer.drop(in_hand[1])
        assert len(await desk.fetch()) == 2

    asyncio.run(scenario())


def test_a_partition_that_is_not_ready_gives_no_batches() -> None:
    async def scenario() -> None:
        desk = Desk(n_partitions=2)
        desk.consumer._ready.discard(TP(TOPIC, 1))
        assert {batch.partition for batch in await desk.fetch()} == {0}
        desk.consumer.open([TopicPartition(TOPIC, 1)])
        assert {batch.partition for batch in await desk.fetch()} == {0, 1}

    asyncio.run(scenario())


def test_batches_of_an_earlier_epoch_are_not_given_out() -> None:
    async def scenario() -> None:
        desk = Desk(n_partitions=1)
        tp = TP(TOPIC, 0)
        stale = desk.log.next(tp)
        desk.consumer.epochs.advance([tp])

        async def late(*_: object) -> list[Fetched]:
            return [stale]

        desk.log.fetch = late  # type: ignore[method-assign]
        assert await desk.fetch() == []
        assert not desk.consumer.epochs.is_current(stale)

    asyncio.run(scenario())


def test_what_was_taken_back_in_a_rebalance_cannot_be_acked_any_more() -> None:
    async def scenario() -> None:
        desk = Desk(n_partitions=1)
        (batch,) = await desk.fetch()
        desk.consumer._forget([TP(TOPIC, 0)])
        assert not desk.consumer.ack(batch)
        assert desk.committable() == {}

    asyncio.run(scenario())


def test_after_a_bug_nothing_is_acked() -> None:
    async def scenario() -> None:
        desk = Desk(n_partitions=1)
        first, second = await desk.fetch(), await desk.fetch()
        assert desk.consumer.ack(first[0])
        desk.failures.fail(ValueError("a bug"))
        assert not desk.consumer.ack(second[0])
        assert desk.committable() == {0: BATCH}
        assert [str(failure) for failure in desk.failures] == ["a bug"]

    asyncio.run(scenario())
