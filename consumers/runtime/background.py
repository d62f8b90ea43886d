"""Work that may take long, done beside the main loop: questions to servers, files, compiling."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

T = TypeVar("T")


async def in_background(call: Callable[[], T]) -> T:
    """The answer of a call made in a thread of its own: unlike a pool's, nobody waits for it when the process ends."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def tell(found: T | None, failure: Exception | None) -> None:
        if answer.done():
            return
        if failure is not None:
            answer.set_exception(failure)
        else:
            answer.set_result(cast(T, found))

    def run() -> None:
        found, failure = None, None
        try:
            found = call()
        except Exception as error:  # noqa: BLE001 - raised by the future
            failure = error
        with suppress(RuntimeError):  # the loop is closed: the worker was told to stop meanwhile
            loop.call_soon_threadsafe(tell, found, failure)

    threading.Thread(target=run, name=getattr(call, "__name__", "background"), daemon=True).start()
    return await answer
