"""The one door through which the log enters the engine, whoever has read it: an agent or the follower.

What must hold, so that every replica learns every record once (docs/follow.md):

- A batch is taken only while its epoch is the partition's present one. One that was queued before a hand-over and
  runs after it is refused, so a hand-over need not wait until the queue is empty.
- The engine takes it only if `start <= position < next`, and learns from `position` on. If `next <= position`, nothing
  is learned; if `start > position`, it is refused (`GapError`) and read again from `position`.
- Every span that was learned is told to `on_learned`, in the order of learning.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Protocol, TypeVar

from stream_rec import logs
from stream_rec.bus.batch import Fetched
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import Span
from stream_rec.schemas.records import TopicName

T = TypeVar("T")


class OutOfDate(Exception):
    """The batch's partition was revoked or is read again since it was fetched: nothing was learned from it."""


class Relearner(Protocol):
    """Learns what others serve; every handler is one."""

    def relearn(self, engine: Engine, fetched: Fetched, /) -> None:
        """Learn from a batch: nothing is written or measured. Engine's thread."""


class LearnGate:
    """Takes batches to the engine.

    Args:
        table: present epochs.
        handlers: by topic.
        engine: where to learn.
        on_learned: told every span once it is learned, the first offset that was learned from it, and how many records
            these were; engine's thread, in the order of learning. Spans that taught nothing new are left out.
    """

    def __init__(
        self,
        table: PartitionTable,
        handlers: Mapping[TopicName, Relearner],
        engine: EngineThread[Engine],
        on_learned: Callable[[Span, int, int], None],
    ) -> None:
        self._table = table
        self._handlers = handlers
        self._engine = engine
        self._on_learned = on_learned
        self._log = logs.get("learn")

    def take(self, engine: Engine, batch: Fetched, learn: Callable[[], T]) -> T:
        """Let the engine learn a batch. Engine's thread.

        Args:
            engine: the engine.
            batch: what is learned.
            learn: does it; the engine's position is after the batch when it returns.

        Returns:
            What `learn` returned.

        Raises:
            OutOfDate: the epoch has passed; nothing was learned.
            GapError: the engine misses records before the batch; nothing was learned.
        """
        if not self._table.epochs.is_current(batch):
            raise OutOfDate
        span = batch.span()
        first = engine.position.get(batch.tp, span.start)
        learned = learn()
        if span.next > first:
            self._on_learned(span, first, len(batch) - bisect_left(batch.offsets, first))
        return learned

    def relearn(self, batch: Fetched) -> Future[float]:
        """Queue a batch that others serve, behind all that is ours: nothing is written or measured.

        Returns:
            The seconds of CPU that it took; raises what `take` raises. Time spent waiting for a core or for the
            interpreter's lock is not in it: smaller slices would only wait more often.
        """
        return self._engine.submit(partial(self._relearn, batch), followed=True)

    async def pass_over(self, batch: Fetched) -> None:
        """The records between a batch's start and its next are gone: say so, and go on behind them."""
        self._log.warning(
            "records were deleted before they were learned",
            records=batch.next - batch.start,
            partition=str(batch.tp),
        )
        with suppress(OutOfDate):
            await self._engine.ask(partial(self._relearn, batch))

    def _relearn(self, batch: Fetched, engine: Engine) -> float:
        began = time.thread_time()
        handler = self._handlers[batch.topic]
        self.take(engine, batch, partial(handler.relearn, engine, batch))
        return time.thread_time() - began
