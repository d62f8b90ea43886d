"""The one thread that touches the engine. Its kernels run without the GIL, so heartbeats and I/O go on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Engine = TypeVar("Engine")
T = TypeVar("T")


class EngineThread(Generic[Engine]):
    """Runs calls of the engine one after another, in the order in which they were submitted.

    Its queue is as long as its callers let it be: every line submits as many batches as it has slots.

    Args:
        engine: not to be touched outside of submitted calls from now on.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(1, "engine")

    def submit(self, call: Callable[[Engine], T]) -> Future[T]:
        """Queue a call. What it raises is raised by the future."""
        return self._pool.submit(call, self._engine)

    async def ask(self, call: Callable[[Engine], T]) -> T:
        """Queue a call and wait for its answer."""
        return await asyncio.wrap_future(self.submit(call))

    def close(self) -> None:
        """Drop what is queued, and wait for the call that runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)
