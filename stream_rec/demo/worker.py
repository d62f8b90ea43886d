"""The demo's worker: a process of its own, as in real life."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from stream_rec.errors import Unavailable
from stream_rec.process import Child, ServerFolder
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader

READY_SECONDS = 300.0
"""The first start on a machine compiles the kernels."""
STOP_SECONDS = 10.0


class DemoWorker:
    """`stream-rec worker` on a running stack. Its log is kept if it fails.

    Args:
        settings: of the running stack.
        flags: `--config` and `--set` of the caller: the worker is to have the same settings.
    """

    def __init__(self, settings: Settings, flags: Sequence[str]) -> None:
        self._settings = settings
        self._folder = ServerFolder("worker")
        argv = [sys.executable, "-m", "stream_rec.cli", "worker", *flags]
        argv += [
            "--set",
            f"bus.bootstrap={settings.bus.bootstrap}",
            "--set",
            f"store.url={settings.store.url}",
        ]
        self.child = Child.start("worker", argv, log_path=self._folder.log_path)

    def wait_until_ready(self) -> None:
        """Return when the worker has reported to Redis for the first time.

        Raises:
            ChildExited: it ended instead; the end of its log is in the message.
            Unavailable: it did not report within `READY_SECONDS`.
        """
        reader = Reader(self._settings.store)

        def has_reported() -> bool:
            try:
                return bool(reader.last_values())
            except Unavailable:
                return False

        try:
            self.child.wait_ready(has_reported, READY_SECONDS)
        finally:
            reader.close()

    def stop(self) -> int:
        """SIGTERM, and its exit code: 0 if all is well."""
        self.child.stop(STOP_SECONDS)
        code = self.child.exit_code
        self._folder.close(failed=code != 0)
        assert code is not None
        return code
