"""Long work in a thread of its own that a stop does not wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from consumers.rounds import first_of

T = TypeVar("T")


async def beside(name: str, work: Callable[[], T], stopping: asyncio.Event) -> T | None:
    """What the work returns; None when `stopping` is set first, and the work ends with the process.

    Raises:
        Exception: what the work raises.
    """
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    results: list[T] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
        with suppress(RuntimeError):  # the loop is closed: the process was told to stop meanwhile
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name=name, daemon=True).start()
    await first_of(done, stopping)
    for failure in failures:
        raise failure
    return results[0] if results else None
