"""Whether the worker is to end, and why: told by a signal, or because it cannot go on."""

from __future__ import annotations

import asyncio

from stream_rec import logs
from stream_rec.errors import StreamRecError


class Shutdown:
    """Made before everything that may fail, and handed to it. Main loop only.

    Args:
        stopping: set when the worker is to end; a signal handler may set it, too.

    Attributes:
        stopping: the same.
        failure: what the worker cannot go on with; None after a signal.
    """

    def __init__(self, stopping: asyncio.Event) -> None:
        self.stopping = stopping
        self.failure: BaseException | None = None
        self._log = logs.get("worker")

    @property
    def failed(self) -> bool:
        """Has something failed: nothing is acknowledged after that."""
        return self.failure is not None

    def fail(self, error: BaseException) -> None:
        """End the worker: a bug, or a server that will not come back. Only the first failure counts."""
        if self.failed:
            return
        self.failure = error
        if not isinstance(error, StreamRecError):
            self._log.error("unexpected exception: this is a bug", exc_info=error)
        self.stopping.set()
