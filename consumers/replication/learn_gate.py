"""The one door through which the log enters the engine, whoever has read it: an agent or the follower.

What must hold, so that every replica learns every record once (docs/follow.md):

- A batch is taken only while its epoch is the partition's present one. One that was queued before a hand-over and
  runs after it is refused, so a hand-over need not wait until the queue is empty.
- The engine takes it only if `start <= position < next`, and learns from `position` on. If `next <= position`, nothing
  is learned; if `start > position`, it is refused (`GapError`) and read again from `position`.
- What is learned is told to `on_learned`, in the order in which it was learned.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from stream_rec import logs
from stream_rec.bus.batch import Fetched
from stream_rec.consumers.handlers.base import Handlers
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import Span
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import short_name


class OutOfDate(Exception):
    """The batch's partition was taken away or is read again: nothing was learned from it."""


class Learning:
    """Takes batches to the engine.

    Args:
        prefix: of the topics.
        handlers: by topic.
        engine: where to learn.
        is_current: has the batch the present epoch of its partition; from any thread.

    Attributes:
        on_learned: told every span once it is learned, the first offset that was learned from it, and how many records
            these were; engine's thread, in the order of learning. Spans that taught nothing new are left out.
    """

    def __init__(
        self,
        prefix: str,
        handlers: Handlers,
        engine: EngineThread[Engine],
        is_current: Callable[[Fetched], bool],
    ) -> None:
        self._prefix = prefix
        self._handlers = handlers
        self._engine = engine
        self._is_current = is_current
        self._log = logs.get("learn")
        self.on_learned: Callable[[Span, int, int], None] = lambda _span, _first, _n: None

    def take(self, engine: Engine, batch: Fetched, learn: Callable[[], None]) -> None:
        """Let the engine learn a batch. Engine's thread.

        Args:
            engine: the engine.
            batch: what is learned.
            learn: does it; the engine's position is after the batch when it returns.

        Raises:
            OutOfDate: the epoch has passed; nothing was learned.
            GapError: the engine misses records before the batch; nothing was learned.
        """
        if not self._is_current(batch):
            raise OutOfDate
        span = batch.span(self.topic(batch))
        first = engine.position.get((span.topic, span.partition), span.start)
        learn()
        if span.next > first:
            self.on_learned(span, first, len(batch) - bisect_left(batch.offsets, first))

    def relearn(self, batch: Fetched) -> Future[float]:
        """Queue a batch that others serve, behind all that is ours: nothing is written or measured.

        Returns:
            The seconds of CPU that it took; raises what `take` raises. Time spent waiting for a core or for the
            interpreter's lock is not in it: smaller slices would only wait more often.
        """
        return self._engine.submit(lambda engine: self._relearn(engine, batch), followed=True)

    async def pass_over(self, batch: Fetched) -> None:
        """The records between a batch's start and its next are gone: say so, and go on behind them."""
        self._log.warning(
            "records were deleted before they were learned",
            records=batch.next - batch.start,
            partition=f"{self.topic(batch)}/{batch.partition}",
        )
        with suppress(OutOfDate):
            await self._engine.ask(lambda engine: self._relearn(engine, batch))

    def topic(self, batch: Fetched) -> TopicName:
        """The topic of a batch, without the prefix."""
        name = short_name(self._prefix, batch.topic)
        assert name is not None, f"{batch.topic} is none of ours"
        return name

    def _relearn(self, engine: Engine, batch: Fetched) -> float:
        began = time.thread_time()
        handler = self._handlers[self.topic(batch)]
        self.take(engine, batch, lambda: handler.relearn(engine, batch))
        return time.thread_time() - began
