"""Apache Kafka on a JVM of a test's own, to be stopped and started again with what it holds."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from stream_rec.embedded.kafka import KafkaServer
from tests.kafka import need_a_jvm


class KafkaProcess:
    """A broker whose log outlives its process."""

    def __init__(self, log_dir: Path) -> None:
        need_a_jvm()
        self._server = KafkaServer.start(log_dir)
        self.bootstrap = self._server.bootstrap

    @property
    def pid(self) -> int:
        return self._server.pid

    def restart(self) -> None:
        """Ask it to end, wait, and start it again on the same port."""
        self.down()
        self.start_again()

    def down(self) -> None:
        """Ask it to end, and wait."""
        self._server.down()

    def kill(self) -> None:
        """Now: what goes on does not come to its end first."""
        self._server.down(politely=False)

    def start_again(self) -> None:
        """Start it on its port with what it holds."""
        self._server.start_again()

    def signal(self, number: int) -> None:
        """Send it a signal, such as SIGSTOP."""
        os.kill(self.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.stop()
