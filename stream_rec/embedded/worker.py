"""A worker as a process of its own, as in production: for the demo and the benches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stream_rec.embedded.own_process import OwnProcess
from stream_rec.errors import Unavailable
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader

READY_SECONDS = 600.0
"""The first start on a machine compiles the kernels."""
WORKER = ("stream_rec.cli", "worker")


class WorkerProcess(OwnProcess):
    """`stream-rec worker` on a running stack.

    Args:
        settings: of the running stack.
        flags: further `--config` and `--set`, so that the worker has the caller's settings.
        program: module to run, and its first arguments.
        log_dir: keeps the log in any case.
    """

    STOP_SECONDS = 10.0

    def __init__(
        self,
        settings: Settings,
        flags: Sequence[str] = (),
        program: Sequence[str] = WORKER,
        log_dir: Path | None = None,
    ) -> None:
        super().__init__("worker", settings, (*program, *flags), log_dir)
        self._settings = settings

    def wait_until_ready(self) -> None:
        """Return when the worker has reported to Redis for the first time.

        Raises:
            ChildExited: it exited instead; the end of its log is in the message.
            Unavailable: it did not report within `READY_SECONDS`.
        """
        reader = Reader(self._settings.store)

        def has_reported() -> bool:
            try:
                return bool(reader.last_values())
            except Unavailable:
                return False

        try:
            self._child.wait_ready(has_reported, READY_SECONDS)
        finally:
            reader.close()
