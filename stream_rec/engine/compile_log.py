"""Says that kernels are being compiled: minutes in which a program does nothing else are not left without a word."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from numba.core import event

from stream_rec import logs

COMPILE = "numba:compile"
"""numba's event around the compilation of a signature; what is loaded from the cache has none."""
SAY_AFTER_SECONDS = 1.0
"""One kernel is soon compiled, and need not be told."""
SAY_EVERY_SECONDS = 30.0


class _Compiled(event.Listener):  # type: ignore[misc]
    """Counts what is compiled, in whatever thread."""

    def __init__(self) -> None:
        self.n = 0
        self.begun = threading.Event()

    def on_start(self, _: event.Event) -> None:
        """A signature is compiled."""
        self.n += 1
        self.begun.set()

    def on_end(self, _: event.Event) -> None:
        """It is."""


@contextmanager
def told(
    after_seconds: float = SAY_AFTER_SECONDS, every_seconds: float = SAY_EVERY_SECONDS
) -> Iterator[None]:
    """Log when compilation has begun, every half minute from then on, and when it is over.

    Args:
        after_seconds: of compiling, before the first line.
        every_seconds: between two lines.
    """
    compiled, done = _Compiled(), threading.Event()
    event.register(COMPILE, compiled)
    teller = threading.Thread(target=_tell, args=(compiled, done, after_seconds, every_seconds), daemon=True)
    teller.start()
    try:
        yield
    finally:
        event.unregister(COMPILE, compiled)
        done.set()
        compiled.begun.set()
        teller.join()


def _tell(compiled: _Compiled, done: threading.Event, after_seconds: float, every_seconds: float) -> None:
    compiled.begun.wait()
    began = time.monotonic()
    if done.wait(after_seconds):
        return
    log = logs.get("kernels")
    log.info(
        "compiling the engine, some 300 kernels, once after an installation: nothing is served until it is done, "
        "in some two minutes of two cores"
    )
    while not done.wait(every_seconds):
        log.info("still compiling", kernels=compiled.n, seconds=round(time.monotonic() - began))
    log.info("compiled", kernels=compiled.n, seconds=round(time.monotonic() - began))
