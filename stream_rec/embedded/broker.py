"""What the two embedded brokers share."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stream_rec.embedded.child_process import Child
from stream_rec.embedded.server import READY_SECONDS, Server, ServerFolder

_ANSWER_SECONDS = 2.0


class BrokerServer(Server):
    """A running broker of this process.

    Attributes:
        bootstrap: "127.0.0.1:PORT".
    """

    def __init__(self, port: int, child: Child, folder: ServerFolder) -> None:
        """Wait until it answers.

        Raises:
            Unavailable: it does not; it was stopped.
        """
        super().__init__(child, folder)
        self.bootstrap = f"127.0.0.1:{port}"
        child.wait_ready(lambda: child.listens_on(port) and answers(self.bootstrap), READY_SECONDS)

    def stop(self) -> None:
        """Stop it by SIGKILL; its data are lost.

        On SIGTERM, Tansu waits for its clients, and Kafka takes seconds to flush data that are not kept.
        """
        failed = self._child.failed
        self._child.kill()
        self._folder.close(failed=failed)

    @classmethod
    def start(cls, log_dir: Path | None = None) -> Self:
        """Start on a free port and wait until it answers.

        Args:
            log_dir: keeps the log in any case; None = a temporary file, kept and named only on failure.

        Raises:
            ConfigError: something that it needs is not on this machine.
            Unavailable: it did not start.
        """
        raise NotImplementedError


def answers(bootstrap: str) -> bool:
    """Whether a broker answers a metadata request there."""
    try:
        AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=_ANSWER_SECONDS)
    except KafkaException:
        return False
    return True
