"""How far the engine has learned, for those who wait for an event of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from stream_rec.schemas.columns import Span
from stream_rec.schemas.partition import TopicPartition
from stream_rec.serve.wishes import Position


class _Wait(NamedTuple):
    offset: int
    reached: asyncio.Future[None]


class Positions:
    """Next offsets of the partitions of `events`. Told in the engine's thread, asked in the event loop's.

    Args:
        begin: the engine's positions as it starts.
    """

    def __init__(self, begin: Mapping[TopicPartition, int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._next = {tp.partition: next_ for tp, next_ in begin.items() if tp.topic == "events"}
        self._waiting: dict[int, list[_Wait]] = {}

    def learned(self, span: Span, *_: int) -> None:
        """A span was learned. Engine's thread."""
        if span.topic != "events":
            return
        self._next[span.partition] = max(span.next, self._next.get(span.partition, 0))
        if span.partition in self._waiting:
            self._loop.call_soon_threadsafe(self._wake, span.partition)

    def knows(self, event: Position) -> bool:
        """Was the event learned; not, as far as is known, if nobody knows where it stands."""
        return 0 <= event.offset < self._next.get(event.partition, 0)

    async def wait(self, event: Position | None, seconds: float) -> bool:
        """Wait until an event is learned; was it, in time? None is always."""
        if event is None or self.knows(event):
            return True
        wait = _Wait(event.offset, self._loop.create_future())
        self._waiting.setdefault(event.partition, []).append(wait)
        self._wake(event.partition)  # it may have been learned while the wait was entered
        try:
            async with asyncio.timeout(seconds):
                await wait.reached
        except TimeoutError:
            return self.knows(event)
        finally:
            self._leave(event.partition, wait)
        return True

    def _wake(self, partition: int) -> None:
        reached = self._next.get(partition, 0)
        for wait in self._waiting.get(partition, ()):
            if 0 <= wait.offset < reached and not wait.reached.done():
                wait.reached.set_result(None)

    def _leave(self, partition: int, wait: _Wait) -> None:
        left = self._waiting[partition]
        left.remove(wait)
        if not left:
            del self._waiting[partition]
