"""`stream-rec serve` as a process of its own, as in production: for the benches."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import psutil

from stream_rec.embedded.child_process import Child, ChildExited
from stream_rec.embedded.server import ServerFolder
from stream_rec.settings import Settings

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
_LISTENING = re.compile(rb'"(http://127\.0\.0\.1:\d+)"')


class ServeProcess:
    """A server on a running stack, on a free port; it dies with this process. Its log is kept if it fails.

    Args:
        settings: of the running stack.
        flags: further `--set`.
    """

    def __init__(self, settings: Settings, flags: Sequence[str] = ()) -> None:
        self._folder = ServerFolder("serve")
        argv = [sys.executable, "-m", "stream_rec.cli", "--log-json", "serve", "--port", "0", *flags]
        for name, value in (("bus.bootstrap", settings.bus.bootstrap), ("store.url", settings.store.url)):
            argv += ["--set", f"{name}={value}"]
        self._child = Child.start("serve", argv, log_path=self._folder.log_path)
        self._child.wait_ready(lambda: bool(self._found()), READY_SECONDS)
        self.url = self._found()
        self._process = psutil.Process(self._child.pid)

    def cpu_seconds(self) -> float:
        """That it has used."""
        used = self._process.cpu_times()
        return float(used.user + used.system)

    def rss_mib(self) -> float:
        """Of memory that it holds."""
        return float(self._process.memory_info().rss / 2**20)

    def check(self) -> None:
        """Check that it runs.

        Raises:
            ChildExited: it has exited.
        """
        if self._child.exit_code is not None:
            raise ChildExited(self._child, 0.0)

    @property
    def exit_code(self) -> int:
        """Of a server that has ended."""
        code = self._child.exit_code
        assert code is not None
        return code

    def stop(self) -> int:
        """SIGTERM, and its exit code: 0 if all is well."""
        self._child.stop(STOP_SECONDS)
        self._folder.close(failed=self.exit_code != 0)
        return self.exit_code

    def _found(self) -> str:
        found = _LISTENING.search(self._folder.log_path.read_bytes())
        return found[1].decode() if found else ""
