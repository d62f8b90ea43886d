"""A worker as a process of its own, as in production: for the demo and the benches."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from stream_rec.embedded.child_process import Child, ChildExited
from stream_rec.embedded.server import ServerFolder
from stream_rec.errors import Unavailable
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader

READY_SECONDS = 600.0
"""The first start on a machine compiles the kernels."""
STOP_SECONDS = 10.0
WORKER = ("stream_rec.cli", "worker")


class WorkerProcess:
    """`stream-rec worker` on a running stack; it dies with this process. Its log is kept if it fails.

    Args:
        settings: of the running stack.
        flags: further `--config` and `--set`, so that the worker has the caller's settings.
        program: module to run, and its first arguments.
        log_dir: keeps the log in any case.
    """

    def __init__(
        self,
        settings: Settings,
        flags: Sequence[str] = (),
        program: Sequence[str] = WORKER,
        log_dir: Path | None = None,
    ) -> None:
        self._settings = settings
        self._folder = ServerFolder("worker", log_dir)
        argv = [sys.executable, "-m", *program, *flags]
        argv += [
            "--set",
            f"bus.bootstrap={settings.bus.bootstrap}",
            "--set",
            f"store.url={settings.store.url}",
        ]
        self._child = Child.start("worker", argv, log_path=self._folder.log_path)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._child.pid

    @property
    def log_path(self) -> Path:
        """Its output."""
        return self._folder.log_path

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._child.exit_code

    def kill(self) -> None:
        """SIGKILL, as in a crash."""
        self._child.kill()
        self._folder.close(failed=False)

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

    def check(self) -> None:
        """Check that it runs.

        Raises:
            ChildExited: it has exited.
        """
        if self._child.exit_code is not None:
            raise ChildExited(self._child, 0.0)

    def stop(self) -> int:
        """SIGTERM, and its exit code: 0 if all is well."""
        self._child.stop(STOP_SECONDS)
        code = self._child.exit_code
        assert code is not None
        self._folder.close(failed=code != 0)
        return code
