"""The one thread that touches the engine. Its kernels run without the GIL, so heartbeats and I/O go on meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar

from stream_rec.clock import Clock, SystemClock

Engine = TypeVar("Engine")
T = TypeVar("T")
MOST_AHEAD_SECONDS = 0.25
"""After one long call of the one kind, the other has so much to itself at most."""
GIVE_WAY_SECONDS = 0.0001
"""numpy lets go of the interpreter's lock for a microsecond at some assignments. Who waits for it is woken by that,
comes too late, and begins to wait anew, before its five milliseconds are over after which the lock has to be handed
over: slices that made such assignments were seen to keep the event loop waiting for 2.6 seconds (CPython 3.11)."""
_LEAST_SECONDS = 1e-9
"""What takes no time takes turns."""
_SYSTEM_CLOCK = SystemClock()


class EngineThread(Generic[Engine]):
    """Runs calls of the engine one after another: what is urgent, then those for owned partitions, then the follower's.

    While both wait, what is urgent has as much of the time as the others together, however much there is of either.
    Calls of one kind run in the order in which they were submitted. The queues are as long as their callers let them
    be: every line submits as many batches as it has slots, the follower as many slices as make up
    `bus.follow_ahead_records`.

    Args:
        engine: not to be touched outside of submitted calls from now on.
        clock: how long calls take.
    """

    def __init__(self, engine: Engine, clock: Clock = _SYSTEM_CLOCK) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(1, "engine")
        self._turn = threading.Lock()  # of who submits and who closes
        self._closed = False
        self._clock = clock
        self._ahead = 0.0
        """Seconds that urgent calls have had more than the others, since both wait."""
        self._urgent: deque[tuple[Callable[[Engine], Any], Future[Any]]] = deque()
        self._owned: deque[tuple[Callable[[Engine], Any], Future[Any]]] = deque()
        self._followed: deque[tuple[Callable[[Engine], Any], Future[Any]]] = deque()

    @property
    def is_wanted(self) -> bool:
        """Does anything wait for the call that runs? From any thread."""
        return bool(self._urgent or self._owned or self._followed or self._closed)

    def submit(
        self, call: Callable[[Engine], T], *, followed: bool = False, urgent: bool = False
    ) -> Future[T]:
        """Queue a call. What it raises is raised by the future, which is cancelled once the engine is closed.

        Args:
            call: what to do.
            followed: it waits until nothing is queued that is not.
            urgent: it waits for the urgent ones before it, and for as much of others.
        """
        future: Future[T] = Future()
        with self._turn:
            if self._closed:
                future.cancel()
                return future
            queue = self._urgent if urgent else self._followed if followed else self._owned
            queue.append((call, future))
            self._pool.submit(self._run_next)  # one turn for each call, though not always its own
        return future

    async def ask(self, call: Callable[[Engine], T]) -> T:
        """Queue a call, before those of the follower, and wait for its answer."""
        return await asyncio.wrap_future(self.submit(call))

    async def ask_in_slices(self, step: Callable[[Engine], bool]) -> int:
        """Do something long, a slice at a time, until one says that there is no more; how many slices it took.

        Slices are urgent, and the engine's thread queues the next one itself: with batches waiting, slices have half of
        the time, however busy the event loop is. A slice ends after some milliseconds. Between two, other threads have
        the interpreter: see `GIVE_WAY_SECONDS`.
        """
        done: Future[int] = Future()

        def run(n: int, engine: Engine) -> None:
            if done.cancelled():
                return
            try:
                more = step(engine)
            except BaseException as error:  # noqa: BLE001 - raised by the future
                if done.set_running_or_notify_cancel():
                    done.set_exception(error)
                return
            if more:
                time.sleep(GIVE_WAY_SECONDS)
                queue(n + 1)
            elif done.set_running_or_notify_cancel():
                done.set_result(n)

        def queue(n: int) -> None:
            future = self.submit(partial(run, n), urgent=True)
            future.add_done_callback(lambda ended: ended.cancelled() and done.cancel())

        queue(1)
        return await asyncio.wrap_future(done)

    def close(self) -> None:
        """Drop what is queued and what will be submitted, and wait for the call that runs."""
        with self._turn:
            self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        for queue in (self._urgent, self._owned, self._followed):
            for _, future in list(queue):
                future.cancel()
        self._pool.shutdown(wait=True)

    def _run_next(self) -> None:
        others = self._owned or self._followed
        both = bool(self._urgent and others)
        if not both:
            self._ahead = 0.0
        urgent = bool(self._urgent) and (not others or self._ahead <= 0.0)
        call, future = (self._urgent if urgent else others).popleft()
        began = self._clock.monotonic()
        self._run(call, future)
        if both:
            took = self._clock.monotonic() - began + _LEAST_SECONDS
            self._ahead += took if urgent else -took
            self._ahead = max(-MOST_AHEAD_SECONDS, min(self._ahead, MOST_AHEAD_SECONDS))

    def _run(self, call: Callable[[Engine], Any], future: Future[Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(call(self._engine))
        except BaseException as error:  # noqa: BLE001 - raised by the future
            future.set_exception(error)
