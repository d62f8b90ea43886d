"""One topic's assembly line: learn in log order, write behind, ack in order.

While the slates of one batch are on their way to Redis, the engine learns from the next batches. How many are in
flight is bounded by the consumer, which fetches no more than `bus.stream_buffer_batches` of a topic before one is
acked. What must hold here: the engine gets the batches in the order in which they came, and within a partition a
batch is acked only after all earlier ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError as NeverRun
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from stream_rec import logs
from stream_rec.bus.batch import Fetched
from stream_rec.consumers.handlers.base import Handler
from stream_rec.consumers.replication.learn_gate import Learning, OutOfDate
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.errors import GapError
from stream_rec.store.waiting import WaitEnded

Work = TypeVar("Work")


class Bus(Protocol):
    """The consumer, as far as a line needs it (see stream_rec.bus.transport.BatchConsumer)."""

    interrupted: asyncio.Event

    def ack(self, batch: Fetched) -> bool: ...

    def drop(self, batch: Fetched) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every line works with.

    Attributes:
        bus: gives the consumer; it exists only once the app has started.
        engine: where all lines learn.
        learning: the door to it.
        until: `store.waiting.until_available` with its settings.
        reread: called when the engine misses events before a batch.
        fail: called with a bug; nothing may be acked after it.
    """

    bus: Callable[[], Bus]
    engine: EngineThread[Engine]
    learning: Learning
    until: Callable[..., Awaitable[None]]
    reread: Callable[[Fetched, GapError], Awaitable[None]]
    fail: Callable[[BaseException], None]


@dataclass(slots=True)
class _Batch(Generic[Work]):
    """A batch on its way.

    Attributes:
        fetched: as it came.
        work: what the handler made of it.
        learned: done when the engine has learned from it.
        before: the partition's batch before it, if that is still to be acked.
        stop: set when the partition is being taken away, or the worker stops.
    """

    fetched: Fetched
    work: Work
    learned: Future[None]
    before: asyncio.Task[bool] | None
    stop: asyncio.Event


class Line(Generic[Work]):
    """Takes the batches of one topic through their handler.

    Args:
        handler: of the topic.
        around: what it works with.
    """

    def __init__(self, handler: Handler[Work], around: Surroundings) -> None:
        self._handler = handler
        self._around = around
        self._writing = asyncio.Lock()
        self._gave_up: asyncio.Event | None = None
        self._last: dict[int, tuple[int, asyncio.Task[bool]]] = {}
        self._on_the_way: set[asyncio.Task[bool]] = set()
        self._log = logs.get("ingest")

    async def take(self, fetched: Fetched) -> None:
        """Start a batch on its way."""
        stop = self._around.bus().interrupted
        work = self._handler.decode(fetched)
        learned = self._around.engine.submit(lambda engine: self._learn(engine, fetched, work))
        epoch, last = self._last.get(fetched.partition, (None, None))
        before = last if epoch == fetched.epoch else None
        task = asyncio.create_task(self._finish(_Batch(fetched, work, learned, before, stop)))
        self._last[fetched.partition] = (fetched.epoch, task)
        self._on_the_way.add(task)
        task.add_done_callback(self._on_the_way.discard)

    async def idle(self) -> None:
        """Wait until no batch is on its way."""
        await asyncio.gather(*self._on_the_way, return_exceptions=True)

    def _learn(self, engine: Engine, fetched: Fetched, work: Work) -> None:
        self._around.learning.take(engine, fetched, lambda: self._handler.learn(engine, work))

    async def _finish(self, batch: _Batch[Work]) -> bool:
        """The rest of the way; True when the batch is acked."""
        bus = self._around.bus()
        try:
            await asyncio.wrap_future(batch.learned)
            await self._write(batch)
            if batch.before is None or await batch.before:
                await self._around.engine.ask(lambda _: self._handler.measure(batch.work))
                return bus.ack(batch.fetched)
        except (OutOfDate, NeverRun):
            pass
        except WaitEnded as ended:
            self._gave_up = batch.stop
            self._log.debug("batch dropped, it will come again", events=len(batch.fetched), why=str(ended))
        except GapError as gap:
            await self._around.reread(batch.fetched, gap)
        except Exception as error:  # noqa: BLE001 - a bug: the process ends, and nothing more is acked
            self._around.fail(error)
        bus.drop(batch.fetched)
        return False

    async def _write(self, batch: _Batch[Work]) -> None:
        async with self._writing:
            if self._gave_up is batch.stop:
                raise WaitEnded("batches before this one were not written", 0.0)
            receipt = await self._handler.write(batch.work, batch.stop)
        await self._around.until(receipt.delivered, what="publish a batch's results", stops=[batch.stop])
