"""A bridge inside of a worker: in a thread of its own, whose failure is the worker's."""

from __future__ import annotations

import threading

from stream_rec.consumers.bridge.bridge import Bridge
from stream_rec.consumers.runtime.background import in_background


class BridgeInside:
    """Runs a bridge beside a worker's loop. It takes turns with the worker for the interpreter.

    Args:
        bridge: to run; None = there is none, and all of this does nothing.
    """

    def __init__(self, bridge: Bridge | None) -> None:
        self.bridge = bridge
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._ended.set()

    async def run(self) -> None:
        """Bridge until `stop`. Raises as `Bridge.run`."""
        if self.bridge is not None:
            self._ended.clear()
            await in_background(self._work)

    def stop(self) -> None:
        """Tell it to end."""
        self._stopping.set()

    async def ended(self) -> None:
        """Return when it has committed what it could, and left its group."""
        await in_background(self._ended.wait)

    def _work(self) -> None:
        try:
            assert self.bridge is not None
            self.bridge.run(self._stopping)
        finally:
            self._ended.set()
