"""The batches of one topic: decode, learn in log order, write behind, measure, ack in order.

While the slates of one batch are on their way to Redis, the engine learns from the next batches. How many are in
flight is bounded by the consumer, which fetches no more than `bus.stream_buffer_batches` of a topic before one is
acked. What must hold here: the engine gets the batches in the order in which they came, and within a partition a
batch is acked only after all earlier ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError as NeverRun
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol

from stream_rec import logs
from stream_rec.bus.batch import Fetched
from stream_rec.consumers.handlers.base import DecodedT, Handler, LearnedT, Until, WrittenT
from stream_rec.consumers.replication.learn_gate import LearnGate, OutOfDate
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.errors import GapError
from stream_rec.schemas.partition import TopicPartition
from stream_rec.store.waiting import WaitEnded


class Consumer(Protocol):
    """Who brought a batch, and is told what became of it (see stream_rec.bus.transport.BatchConsumer)."""

    interrupted: asyncio.Event

    def ack(self, batch: Fetched) -> bool: ...

    def drop(self, batch: Fetched) -> None: ...

    async def first_offset(self, tp: TopicPartition) -> int: ...

    async def reread(self, batch: Fetched, offset: int) -> None: ...


@dataclass(frozen=True, slots=True)
class PipelineContext:
    """What every pipeline works with.

    Attributes:
        engine: where all of them learn.
        gate: the door to it.
        until: waits for a server that is away.
        fail: called with a bug; nothing may be acked after it.
    """

    engine: EngineThread[Engine]
    gate: LearnGate
    until: Until
    fail: Callable[[BaseException], None]


@dataclass(frozen=True, slots=True)
class _InFlight(Generic[LearnedT]):
    """A batch on its way.

    Attributes:
        fetched: the raw batch.
        consumer: who brought it.
        learned: the handler's answer, when the engine has learned from the batch.
        before: the partition's batch before it, if that is still to be acked.
        stop: set when the partition is being taken away, or the worker stops.
    """

    fetched: Fetched
    consumer: Consumer
    learned: Future[LearnedT]
    before: asyncio.Task[bool] | None
    stop: asyncio.Event


class BatchPipeline(Generic[DecodedT, LearnedT, WrittenT]):
    """Takes the batches of one topic through their handler.

    Args:
        handler: the topic's handler.
        context: what it works with.
        urgent: its batches are learned before those of others that are queued.
    """

    def __init__(
        self,
        handler: Handler[DecodedT, LearnedT, WrittenT],
        context: PipelineContext,
        *,
        urgent: bool = False,
    ) -> None:
        self._handler = handler
        self._context = context
        self._urgent = urgent
        self._writing = asyncio.Lock()
        self._gave_up: asyncio.Event | None = None
        self._last: dict[int, tuple[int, asyncio.Task[bool]]] = {}
        self._in_flight: set[asyncio.Task[bool]] = set()
        self._log = logs.get("ingest")

    async def take(self, fetched: Fetched, consumer: Consumer) -> None:
        """Start a batch on its way."""
        decoded = self._handler.decode(fetched)
        learned = self._context.engine.submit(partial(self._learn, fetched, decoded), urgent=self._urgent)
        epoch, last = self._last.get(fetched.partition, (None, None))
        before = last if epoch == fetched.epoch else None
        batch = _InFlight(fetched, consumer, learned, before, consumer.interrupted)
        task = asyncio.create_task(self._finish(batch))
        self._last[fetched.partition] = (fetched.epoch, task)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def idle(self) -> None:
        """Wait until no batch is on its way."""
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    def _learn(self, fetched: Fetched, decoded: DecodedT, engine: Engine) -> LearnedT:
        return self._context.gate.take(engine, fetched, partial(self._handler.learn, engine, decoded))

    async def _finish(self, batch: _InFlight[LearnedT]) -> bool:
        """The rest of the way; True when the batch is acked."""
        try:
            written = await self._write(batch, await asyncio.wrap_future(batch.learned))
            if batch.before is None or await batch.before:
                await self._context.engine.ask(partial(self._measure, written))
                return batch.consumer.ack(batch.fetched)
        except (OutOfDate, NeverRun):
            pass
        except WaitEnded as ended:
            self._gave_up = batch.stop
            self._log.debug(
                "batch dropped unacknowledged; it will be redelivered",
                events=len(batch.fetched),
                why=str(ended),
            )
        except GapError as gap:
            await self._read_again(batch, gap)
        except Exception as error:  # noqa: BLE001 - a bug: the process ends, and nothing more is acked
            self._context.fail(error)
        batch.consumer.drop(batch.fetched)
        return False

    async def _write(self, batch: _InFlight[LearnedT], learned: LearnedT) -> WrittenT:
        async with self._writing:
            if self._gave_up is batch.stop:
                raise WaitEnded("batches before this one were not written", 0.0)
            written = await self._handler.write(learned, batch.stop)
        await self._context.until(
            written.receipt.delivered, what="publish a batch's results", stops=[batch.stop]
        )
        return written

    def _measure(self, written: WrittenT, _: Engine) -> None:
        self._handler.measure(written)

    async def _read_again(self, batch: _InFlight[LearnedT], gap: GapError) -> None:
        """Go back to what the engine misses, or past it if it is gone."""
        fetched = batch.fetched
        first = await batch.consumer.first_offset(fetched.tp)
        if first > gap.position:
            await self._context.gate.pass_over(Fetched(*fetched.tp, fetched.epoch, gap.position, first))
        await batch.consumer.reread(fetched, max(first, gap.position))
