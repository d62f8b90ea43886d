"""Periodic work of a worker, beside its batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from stream_rec import logs
from stream_rec.consumers.runtime.shutdown import Shutdown
from stream_rec.errors import Unavailable


class Scheduler:
    """Repeats steps until the worker stops.

    Args:
        ready: nothing begins before it is set.
        shutdown: ends everything; told of a bug.
    """

    def __init__(self, ready: asyncio.Event, shutdown: Shutdown) -> None:
        self._ready = ready
        self._stopping = shutdown.stopping
        self._fail = shutdown.fail
        self._tasks: list[asyncio.Task[None]] = []
        self._log = logs.get("worker")

    def every(
        self, seconds: float, step: Callable[[], Awaitable[object]], wake: asyncio.Event | None = None
    ) -> None:
        """Do a step every so many seconds, and when woken; if a server does not answer, it skips a turn."""
        self._tasks.append(asyncio.create_task(self._repeat(seconds, step, wake or asyncio.Event())))

    async def end(self, seconds: float) -> None:
        """Cancel what is under way, and wait for it so long at most. Call when `stopping` is set."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def _repeat(
        self, seconds: float, step: Callable[[], Awaitable[object]], wake: asyncio.Event
    ) -> None:
        await self._ready.wait()
        # The flag is asked every time: a client library that swallows a cancellation must not keep this going.
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await wake.wait()
            wake.clear()
            if self._stopping.is_set():
                return
            try:
                await step()
            except Unavailable as error:
                self._log.debug("periodic step skipped; it is tried again next time", why=str(error))
            except Exception as error:  # noqa: BLE001 - a bug: the process ends
                self._fail(error)
                return
