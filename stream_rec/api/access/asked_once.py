"""One question for all who ask it at the same time: else a server that answers slowly is asked the more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class AskedOnce(Generic[T]):
    """Questions under way, by name. For one event loop; as many as there are names that somebody waits for."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[T]] = {}

    async def answer(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` gives, or gave to whoever asked under this name a moment ago; who goes leaves it to the others.

        Raises:
            Exception: whatever `ask` raises, to all who wait.
        """
        task = self._under_way.get(name)
        if task is None:
            task = self._under_way[name] = asyncio.create_task(self._run(name, ask))
            task.add_done_callback(
                lambda done: done.cancelled() or done.exception()
            )  # also if nobody waits any more
        return await asyncio.shield(task)

    async def _run(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            return await ask()
        finally:
            del self._under_way[name]
