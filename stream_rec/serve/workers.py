"""Waiting until every live worker has obeyed a decision about a person."""

from __future__ import annotations

import time

from stream_rec.clock import Clock
from stream_rec.store.forgotten import WorkerReceipt
from stream_rec.store.reader import Reader

LIVE_SECONDS = 10.0
"""A worker that has reported in the last so many seconds is alive."""
_LOOK_SECONDS = 0.1


def live_workers(reader: Reader, clock: Clock) -> set[str]:
    """Their names.

    Raises:
        Unavailable, ConfigError: Redis does not answer, or refuses.
    """
    since = clock.now() - LIVE_SECONDS
    return {name for name, values in reader.last_values().items() if values.created_ts >= since}


def wait_for_workers(
    reader: Reader, clock: Clock, name: str, offset: int, seconds: float
) -> tuple[dict[str, WorkerReceipt], tuple[str, ...]]:
    """The live workers' receipts for a decision, by worker, and who has given none in time.

    Args:
        reader: of Redis.
        clock: of now.
        name: of the decision: a hash.
        offset: of the decision; a receipt for an older one is none.
        seconds: so long, at most.

    Raises:
        Unavailable, ConfigError: Redis does not answer, or refuses.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = {worker: each for worker, each in reader.receipts(name).items() if each.offset >= offset}
        silent = live_workers(reader, clock) - set(found)
        if not silent or time.monotonic() >= deadline:
            return found, tuple(sorted(silent))
        time.sleep(_LOOK_SECONDS)
