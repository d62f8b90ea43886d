"""The one thread that touches the engine. Its kernels run without the GIL, so heartbeats and I/O go on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

Engine = TypeVar("Engine")
T = TypeVar("T")


class EngineThread(Generic[Engine]):
    """Runs calls of the engine one after another: those for owned partitions first, then those of the follower.

    Calls of one kind run in the order in which they were submitted. The queues are as long as their callers let them
    be: every line submits as many batches as it has slots, the follower as many slices as make up
    `bus.follow_ahead_records`.

    Args:
        engine: not to be touched outside of submitted calls from now on.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(1, "engine")
        self._turn = threading.Lock()  # of who submits and who closes
        self._closed = False
        self._owned: deque[tuple[Callable[[Engine], Any], Future[Any]]] = deque()
        self._followed: deque[tuple[Callable[[Engine], Any], Future[Any]]] = deque()

    def submit(self, call: Callable[[Engine], T], *, followed: bool = False) -> Future[T]:
        """Queue a call. What it raises is raised by the future, which is cancelled once the engine is closed.

        Args:
            call: what to do.
            followed: it waits until nothing is queued that is not.
        """
        future: Future[T] = Future()
        with self._turn:
            if self._closed:
                future.cancel()
                return future
            (self._followed if followed else self._owned).append((call, future))
            self._pool.submit(self._run_next)  # one turn for each call, though not always its own
        return future

    async def ask(self, call: Callable[[Engine], T]) -> T:
        """Queue a call, before those of the follower, and wait for its answer."""
        return await asyncio.wrap_future(self.submit(call))

    def close(self) -> None:
        """Drop what is queued and what will be submitted, and wait for the call that runs."""
        with self._turn:
            self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        for queue in (self._owned, self._followed):
            for _, future in list(queue):
                future.cancel()
        self._pool.shutdown(wait=True)

    def _run_next(self) -> None:
        call, future = (self._owned or self._followed).popleft()
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(call(self._engine))
        except BaseException as error:  # noqa: BLE001 - raised by the future
            future.set_exception(error)
