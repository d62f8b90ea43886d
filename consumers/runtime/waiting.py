"""A worker that the group gives nothing says so."""

from __future__ import annotations

import asyncio

from stream_rec import logs

EVERY_SECONDS = 60.0


async def tell_until(assigned: asyncio.Event, every_seconds: float = EVERY_SECONDS) -> None:
    """Log a warning at intervals until the group has answered for the first time, be it with no partition at all."""
    waited = 0.0
    while not assigned.is_set():
        try:
            async with asyncio.timeout(every_seconds):
                await assigned.wait()
        except TimeoutError:
            waited += every_seconds
            logs.get("ingest").warning(
                "the group has not yet answered this worker: nothing is served",
                waited_seconds=round(waited, 2),
                fix="end workers that hang; with the embedded broker, restart `stream-rec up`; else look at the "
                "broker's log",
            )
