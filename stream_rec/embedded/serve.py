"""`stream-rec serve` or `dashboard` as a process of its own, as in production: for the benches and the demo."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import psutil

from stream_rec.embedded.own_process import OwnProcess
from stream_rec.settings import Settings

READY_SECONDS = 300.0
_LISTENING = re.compile(rb'"(http://127\.0\.0\.1:\d+)"')


class ServeProcess(OwnProcess):
    """A server on a running stack, on a free port.

    Args:
        settings: of the running stack.
        flags: further `--set`.
        command: which of the two.
        port: to listen on; 0 = any free one.

    Raises:
        ChildExited: it exited instead of listening; the end of its log is in the message.
    """

    STOP_SECONDS = 30.0

    def __init__(
        self,
        settings: Settings,
        flags: Sequence[str] = (),
        command: Literal["serve", "dashboard"] = "serve",
        port: int = 0,
    ) -> None:
        argv = ("stream_rec.cli", "--log-json", command, "--host", "127.0.0.1", "--port", str(port), *flags)
        super().__init__(command, settings, argv)
        self._child.wait_ready(lambda: bool(self._found()), READY_SECONDS)
        self.url = self._found()
        self._process = psutil.Process(self.pid)

    def cpu_seconds(self) -> float:
        """That it has used."""
        used = self._process.cpu_times()
        return float(used.user + used.system)

    def rss_mib(self) -> float:
        """Of memory that it holds."""
        return float(self._process.memory_info().rss / 2**20)

    def _found(self) -> str:
        found = _LISTENING.search(self.log_path.read_bytes())
        return found[1].decode() if found else ""
