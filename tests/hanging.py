"""A server that hangs: it keeps its connections, takes new ones, and answers nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hanging(pid: int) -> Iterator[None]:
    """Its process stands still until the block is left, however slow this machine is."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
