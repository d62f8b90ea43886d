"""A server that the processes of a run of the tests share: whoever needs it first starts it."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO

_POLL_SECONDS = 0.1


@contextmanager
def one_for_all(path: Path, start: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """Yields its address. The process that started it stops it at its own end, once no other uses it.

    Args:
        path: file of the address, the same in all processes; its neighbours hold locks, which the kernel takes away
            from a process that ends, however it ends.
        start: a server of its own; its address.
    """
    with (
        path.with_suffix(".turn").open("w") as turn,
        path.with_suffix(".owner").open("w") as owner,
        path.with_suffix(".users").open("w") as users,
    ):
        fcntl.flock(turn, fcntl.LOCK_EX)
        if _locked(owner):  # nobody has started it, or who has is gone, and it with him
            with start() as address:
                path.write_text(address)
                fcntl.flock(turn, fcntl.LOCK_UN)
                yield address
                _when_unused(turn, users)
                path.unlink()
            return
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        yield path.read_text()


def _when_unused(turn: IO[str], users: IO[str]) -> None:
    """Back when no other process uses it, and with the turn, so that none begins to."""
    while True:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if _locked(users):
            return
        fcntl.flock(turn, fcntl.LOCK_UN)
        time.sleep(_POLL_SECONDS)


def _locked(file: IO[str]) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
