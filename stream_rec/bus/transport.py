"""The batch transport for Faust: an agent gets one event per fetched batch of one partition.

Faust makes four asyncio tasks per event, so an event is made to carry many records. What must hold for that, and is
made to hold here (docs/transport.md):

- Acks come from our own code, in log order within a partition (`BatchConsumer.ack`); the streams' own acks are off.
  Then the committed offset is simply the one after the last acked batch, and Faust's search for gaps, which would
  commit one batch per interval and keep every offset in memory, has nothing to do.
- Batches in flight are counted by topic, and bounded by `bus.stream_buffer_batches`.
- At a rebalance, what is acked is committed before Faust clears its acks; what is not done within `bus.drain_seconds`
  is dropped unacknowledged and redelivered to the partition's next owner.
- A partition's batches come only after its owner has said that it is ready (`BatchConsumer.open`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from typing import Any, ClassVar, Protocol

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

from stream_rec import logs
from stream_rec.bus.batch import Fetched
from stream_rec.bus.epochs import Epochs
from stream_rec.bus.fetch_thread import FetchThread
from stream_rec.bus.lag import records_behind
from stream_rec.bus.naming import ours
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings

_IDLE_SECONDS = 1.0
"""A fetch without data ends after this, so that a stop is never late by more."""
_SAY_AFTER_SECONDS, _SAY_EVERY_SECONDS = 5.0, 60.0
"""Of a wait for Kafka in a rebalance: the first line, and then twice as late each time, up to this."""


class Owner(Protocol):
    """Does the work of the assigned partitions."""

    async def assigned(
        self, starts: Mapping[TopicPartition, int | None], open_: Callable[[Iterable[TopicPartition]], None]
    ) -> None:
        """Get ready for partitions, then open them. Cancelled when they are revoked meanwhile.

        Args:
            starts: the committed offset of each, where its batches begin (records that were deleted count as handled);
                None = the group had committed nothing, and they begin at the log's start.
            open_: `BatchConsumer.open`.
        """

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """They were revoked; batches in flight have been acked or dropped."""


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Faust's consumer, for topics whose events are batches. Lives in the main loop, as all of this module."""

    _thread: FetchThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bus: BusSettings = self.app.bus
        self.epochs: Epochs = self.app.epochs
        self._starts: dict[TP, int] = {}
        self.interrupted = asyncio.Event()
        self._in_hand: dict[TP, dict[int, Message]] = {}
        self._ready: set[TP] = set()
        self._getting_ready: asyncio.Task[None] | None = None
        self._n_dropped = 0
        self._log = logs.get("ingest")

    # What handlers use.

    def ack(self, batch: Fetched) -> bool:
        """The batch is done: the next commit covers it. Call in log order within a partition.

        Returns:
            False when it was revoked meanwhile, or the process is failing; it will be redelivered, to us or to
            another worker.
        """
        message = self._take_back(batch)
        if message is None or self.app.shutdown.failed:
            return False
        return bool(super().ack(message))

    def drop(self, batch: Fetched) -> None:
        """Drop the batch unacknowledged: it is redelivered after the rebalance or the next start."""
        message = self._take_back(batch)
        if message is not None:
            self._unacked_messages.discard(message)
            self._n_dropped += len(batch)

    async def reread(self, batch: Fetched, offset: int) -> None:
        """Go on with the batch's partition from `offset`; everything fetched from it so far is out of date."""
        tp = self._on_faust(batch.tp)
        if not self.epochs.is_current(batch):
            return
        self.epochs.advance([batch.tp])
        self._forget([tp])
        self._read_offset[tp] = None
        await self._thread.seek_all({tp: offset})

    def open(self, partitions: Iterable[TopicPartition]) -> None:
        """Let batches of these partitions come."""
        self._ready.update(map(self._on_faust, partitions))
        self._thread.wake()

    def lag(self, tp: TopicPartition) -> int | None:
        """Records from what is committed to the high watermark; None before the first fetch. See `records_behind`."""
        at = self._on_faust(tp)
        end: int | None = self.highwater(at) if at in self.assignment() else None
        return (
            None if end is None else records_behind(self._starts.get(at, 0), self._committed_offset[at], end)
        )

    async def first_offset(self, tp: TopicPartition) -> int:
        """The first offset that the log still holds."""
        at = self._on_faust(tp)
        return (await self._thread.starts([at]))[at]

    def _on_faust(self, tp: TopicPartition) -> TP:
        return TP(full_name(self._bus.prefix, tp.topic), tp.partition)

    def _ours(self, partitions: Iterable[TP]) -> set[TopicPartition]:
        return {ours(self._bus.prefix, tp) for tp in partitions}

    # Fetching.

    def _new_consumer_thread(self) -> FetchThread:
        return FetchThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float = _IDLE_SECONDS) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """The next batches; ends after one round, with or without any."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        partitions = self._get_active_partitions() & self._ready
        for batch in await self._thread.fetch(frozenset(partitions), self._credits(), timeout):
            # A rebalance since the fetch: the batch is redelivered from the committed offset.
            if self.flow_active and not self.should_stop and self.epochs.is_current(batch):
                tp = self._on_faust(batch.tp)
                message = self._to_message(tp, batch)
                self._in_hand.setdefault(tp, {})[batch.next] = message
                yield tp, message

    def _credits(self) -> dict[str, int]:
        """How many batches each topic may have more, by topic; topics without an entry may have none."""
        credits = dict.fromkeys((tp.topic for tp in self._ready), self._bus.stream_buffer_batches)
        for tp, messages in self._in_hand.items():
            if tp.topic in credits:
                credits[tp.topic] -= len(messages)
        return credits

    def _to_message(self, tp: TP, record: Fetched) -> ConsumerMessage:
        last = record.timestamps[-1] / 1000 if record.timestamps else 0.0
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.next
            - 1,  # so that the offset after it, which is what gets committed, is the next position
            last,
            0,
            None,
            None,
            record,
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: the credits keep Faust's buffers from ever being full."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing, as above."""

    # Acks and commits.

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: gaps are inside the batches."""

    def _new_offset(self, tp: TP) -> int | None:
        """The offset to commit: the one after the last acked batch. Right because acks come in order."""
        acked = self._acked[tp]
        if not acked:
            return None
        offset: int = acked[-1] + 1
        acked.clear()
        self._acked_index[tp].clear()
        return offset

    def _take_back(self, batch: Fetched) -> Message | None:
        messages = self._in_hand.get(self._on_faust(batch.tp), {})
        message = messages.get(batch.next)
        if message is None or message.value is not batch:
            return None
        del messages[batch.next]
        self._thread.wake()
        return message

    def _forget(self, partitions: Collection[TP]) -> None:
        for tp in partitions:
            for message in self._in_hand.pop(tp, {}).values():
                self._unacked_messages.discard(message)

    async def wait_empty(self) -> None:
        """Let batches in flight finish within `bus.drain_seconds`, then commit what is acked."""
        self.interrupted.set()
        deadline = self.loop.time() + self._bus.drain_seconds
        while self._unacked_messages and self.loop.time() < deadline:
            await asyncio.sleep(0.01)
        await self._commit_now()
        left = [message.value for messages in self._in_hand.values() for message in messages.values()]
        if n := self._n_dropped + sum(map(len, left)):
            self._log.info("unacknowledged events dropped; they will be redelivered", events=n)
        self._forget(list(self._in_hand))
        self._n_dropped = 0

    async def _commit_now(self) -> None:
        """Commit every ack so far, also when a commit was under way; give up when the broker does not answer."""
        try:
            async with asyncio.timeout(self._bus.drain_seconds):
                if not await self.commit():
                    await self.commit()
        except TimeoutError:
            self._log.warning("offset commit timed out; acknowledged batches will be redelivered")

    # Rebalances. They are eager: every partition is revoked, then some are assigned.

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit what is acked, drop the rest, and only then let Faust clear its acks."""
        self.epochs.advance(self._ours(revoked))
        if self._getting_ready is not None:
            self._getting_ready.cancel()
        self._ready.clear()
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        await self.wait_empty()
        await self.app.owner.revoked(self._ours(revoked))
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """A new generation begins; its batches wait for `open`."""
        self.epochs.advance(self._ours(assigned))
        self.interrupted = asyncio.Event()
        await super().on_partitions_assigned(assigned, generation_id)
        if not assigned:
            # Faust seeks nothing then; but the owner must know that it has been heard.
            self._getting_ready = self.loop.create_task(self._get_ready({}))

    async def perform_seek(self) -> None:
        """Set every partition to its committed offset, or to the log's start if that is later or there is none.

        The start is committed at once: else a partition to which nothing more is written would be behind for ever.
        While Kafka does not answer, this waits: for Kafka, the next rebalance, or the stop (`batch_app.Patient`).
        """
        assigned = self.assignment()
        telling = self.loop.create_task(self._tell_that_kafka_is_awaited())
        try:
            committed = await self._thread.committed(assigned)
            starts = await self._thread.starts(assigned)
            begins = {tp: max(starts[tp], committed.get(tp, 0)) for tp in assigned}
            await self._thread.seek_all(begins)
            await self._thread.commit_starts({tp: at for tp, at in begins.items() if committed.get(tp) != at})
        finally:
            telling.cancel()
        for tp in assigned:
            self._read_offset[tp] = None
            self._committed_offset[tp] = begins[tp]
        self._starts = dict(starts)
        self._getting_ready = self.loop.create_task(
            self._get_ready(
                {ours(self._bus.prefix, tp): begins[tp] if tp in committed else None for tp in assigned}
            )
        )

    async def _tell_that_kafka_is_awaited(self) -> None:
        waited, pause = 0.0, _SAY_AFTER_SECONDS
        while True:
            await asyncio.sleep(pause)
            waited += pause
            why = "where to begin in the assigned partitions could not be read"
            self._log.warning("waiting for kafka", why=why, waited_seconds=waited)
            pause = min(2 * pause, _SAY_EVERY_SECONDS)

    async def _get_ready(self, starts: dict[TopicPartition, int | None]) -> None:
        try:
            await self.app.owner.assigned(starts, self.open)
        except Exception as error:  # noqa: BLE001 - handed to the one who ends the process
            self.app.shutdown.fail(error)

    async def on_stop(self) -> None:
        """Cancel a pending take-over, and commit what is acked."""
        if self._getting_ready is not None:
            self._getting_ready.cancel()
        await super().on_stop()


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with the consumer of this module."""

    Consumer: ClassVar[type[BatchConsumer]] = BatchConsumer
