"""Apache Kafka on a JVM of a test's own, to be stopped and started again with what it holds."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from stream_rec.bus.broker_server import answers
from stream_rec.bus.kafka_server import KafkaServer
from stream_rec.process import Child
from tests.kafka import need_a_jvm
from tests.waiting import wait_until

READY_SECONDS = 90.0
STOP_SECONDS = 20.0


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
        old = self._server._child
        argv = psutil.Process(old.pid).cmdline()
        old.stop(STOP_SECONDS)
        self._server._child = Child.start("kafka", argv, log_path=self._server.log_path)
        wait_until(lambda: answers(self.bootstrap), READY_SECONDS, "the broker to be back")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.stop()
