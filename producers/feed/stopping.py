"""Ctrl-C and SIGTERM as a request to stop, not as an exception in mid-operation."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Inside, the first SIGINT or SIGTERM only makes the given function answer True; a second one has its usual effect.

    Outside the main thread, signals are left alone and the function answers False.
    """
    wanted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield wanted.is_set
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def want(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what a handler is given
        wanted.set()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in _SIGNALS:
        signal.signal(number, want)
    try:
        yield wanted.is_set
    finally:
        restore()
