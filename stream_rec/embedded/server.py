"""What the embedded servers share: a port of their own, a folder, and a shutdown that leaves nothing behind."""

from __future__ import annotations

import contextlib
import fcntl
import random
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from stream_rec.embedded.child_process import Child, ChildExited
from stream_rec.errors import ConfigError, Unavailable

START_TRIES = 4
"""Ports that a start is attempted on before it counts as failed."""
READY_SECONDS = 90.0
"""A server that does not answer by then will not (a JVM on a busy machine needs 20 s)."""
_PORTS = range(20_000, 32_768)
"""Below Linux' ephemeral range, so that no outgoing connection takes a server's port while it restarts."""
_PREFIX = "stream-rec"
_LOCK = "alive"


class ServerFolder:
    """A temporary folder for one server: `log_path`, and `data`, which is deleted with the server.

    The log is kept if the server failed, or always when the caller named the folder for logs.

    Raises:
        ConfigError: no temporary folder can be made, or the one for logs cannot be written.
    """

    def __init__(self, name: str, log_dir: Path | None = None) -> None:
        with _writable("a temporary folder", "set TMPDIR to a writable folder"):
            _remove_data_of_the_dead()
            self._root = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{name}-"))
            self._alive = (self._root / _LOCK).open(
                "w"
            )  # the kernel releases the lock when this process ends
            fcntl.flock(self._alive, fcntl.LOCK_EX)
            self.data = self._root / "data"
            self.data.mkdir()
        self._log_is_elsewhere = log_dir is not None
        if log_dir is not None:
            with _writable(f"logs in {log_dir}", "name another folder for logs"):
                log_dir.mkdir(parents=True, exist_ok=True)
                (log_dir / f"{self._root.name}.log").touch()
        self.log_path = (log_dir or self._root) / f"{self._root.name}.log"

    def close(self, *, failed: bool) -> None:
        """Remove the data, and the log too unless it is to be kept."""
        shutil.rmtree(self.data, ignore_errors=True)
        self._alive.close()
        if self._log_is_elsewhere or not failed:
            shutil.rmtree(self._root, ignore_errors=True)


class Server:
    """A server of this process: use as a context manager, or call `stop`. It dies with this process in any case."""

    def __init__(self, child: Child, folder: ServerFolder) -> None:
        self._child = child
        self._folder = folder

    @property
    def pid(self) -> int:
        """Its process."""
        return self._child.pid

    @property
    def log_path(self) -> Path:
        """Its output."""
        return self._folder.log_path

    def check(self) -> None:
        """Check that it runs.

        Raises:
            ChildExited: it has exited.
        """
        if self._child.exit_code is not None:
            raise ChildExited(self._child, 0.0)

    def stop(self) -> None:
        """Stop it; its data are lost."""
        self._child.stop()
        self._folder.close(failed=self._child.failed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


S = TypeVar("S", bound=Server)


def start_on_free_port(name: str, log_dir: Path | None, start: Callable[[int, ServerFolder], S]) -> S:
    """Call `start(port, folder)`, again on another port when the server lost the port before it could bind it.

    Raises:
        Unavailable: it did not start; the message names the log, which is kept.
    """
    for tries_left in reversed(range(START_TRIES)):
        folder = ServerFolder(name, log_dir)
        try:
            return start(free_port(), folder)
        except BaseException as error:
            again = isinstance(error, ChildExited) and error.lost_port and tries_left > 0
            folder.close(failed=not again)
            if not again:
                raise
    raise AssertionError("the last try returns or raises")


def free_port() -> int:
    """A port of 127.0.0.1 nobody listens on now; another program may take it at once (`start_on_free_port`).

    Raises:
        Unavailable: no free port in a hundred tries.
    """
    choose = random.SystemRandom()
    for _ in range(100):
        port = choose.choice(_PORTS)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
            trial.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as servers do: TIME_WAIT is no obstacle
            with contextlib.suppress(OSError):
                trial.bind(("127.0.0.1", port))
                return port
    raise Unavailable("network", f"no free port on 127.0.0.1 in {_PORTS}")


@contextlib.contextmanager
def _writable(what: str, fix: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write {what}: {error.strerror}", fix=fix) from error


def _remove_data_of_the_dead() -> None:
    """Data of servers whose parent was killed and could not clean up. Their logs stay."""
    for lock_path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*/{_LOCK}"):
        with (
            contextlib.suppress(OSError),
            lock_path.open("r+") as lock,
        ):  # another user's, locked, or just gone
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock_path.parent / "data", ignore_errors=True)
