"""The console command: what must be there before anything heavy is imported, then the command line itself."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

_WITH_A_VALUE = ("--log-level",)
"""Options before the command that take the next word."""
_ALLOCATIONS = 10_000
"""Between two collections of garbage. At Python's 700, a fifth of the start goes into looking at what is imported."""


def main() -> None:
    """Run `stream-rec`. A worker, or a bridge, can be told to stop from here on: importing its parts takes seconds."""
    gc.set_threshold(_ALLOCATIONS)
    if command(sys.argv[1:]) in ("worker", "bridge"):
        from stream_rec.consumers.runtime.stop_signal import STOP

        STOP.install()
    from stream_rec.cli.app import run

    run()


def command(words: Sequence[str]) -> str:
    """Which command it is; empty if none is named."""
    rest = iter(words)
    for word in rest:
        if word in _WITH_A_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            return word
    return ""
