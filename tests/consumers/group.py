"""Workers of one group inside the test's process: who owns what, and how far they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stream_rec.bus.lag import lag
from stream_rec.bus.topics import partition_counts
from stream_rec.consumers.worker import Worker
from stream_rec.engine.engine import Engine
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.settings import Settings
from tests.waiting import wait_until_async


async def until(condition: Callable[[], bool], what: str) -> None:
    """As `wait_until_async`, for what workers need time for."""
    await wait_until_async(condition, 60, what)


def n_learned(engine: Engine) -> int:
    """Events, ever."""
    return int(engine.stats()["events_learned"])


def owned(worker: Worker) -> set[tuple[str, int]]:
    """Topic-partitions that it serves; nothing before its first assignment is."""
    return set(worker.parts.table.owned) if worker.parts.table.ready.is_set() else set()


async def split(settings: Settings, *workers: Worker) -> None:
    """Until every partition has one owner."""
    counts = await asyncio.to_thread(partition_counts, settings.bus, FOLLOWED)
    n = sum(counts.values())

    def is_split() -> bool:
        found = [owned(worker) for worker in workers]
        return all(worker.parts.table.ready.is_set() for worker in workers) and (
            sum(map(len, found)) == n == len(set().union(*found))
        )

    await until(is_split, "every partition to have one owner")


async def served(settings: Settings, n_events: int) -> None:
    """Until so many events are in the log, and the group has committed every end."""

    def is_served() -> bool:
        found = [at for at in lag(settings.bus) if at.topic == "events"]
        return sum(at.end for at in found) == n_events and all(at.lag == 0 for at in found)

    deadline = asyncio.get_running_loop().time() + 60
    while not await asyncio.to_thread(is_served):
        assert asyncio.get_running_loop().time() < deadline, "not all is committed"
        await asyncio.sleep(0.1)
