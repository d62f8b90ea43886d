"""Servers as child processes: readiness checks with a deadline, logs kept on failure, and no orphans.

A child dies with this process however that ends, SIGKILL included (Linux: PR_SET_PDEATHSIG, see `launch.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import psutil

from stream_rec.errors import ConfigError, Unavailable

_LOG_TAIL_BYTES = 4_000
_FIRST_POLL_SECONDS, _POLL_SECONDS = 0.005, 0.1
"""Between two looks whether a server is ready: at first, and in the end. A look takes milliseconds of a processor."""


class ChildExited(Unavailable):
    """A server exited by itself. The message holds the end of its log and the log's path.

    Attributes:
        lost_port: whether it exited because another program listens on its port.
    """

    def __init__(self, child: Child, waited_seconds: float) -> None:
        super().__init__(
            child.name,
            f"it exited with {child.exit_code}; {child.log_excerpt()}",
            waited_seconds=waited_seconds,
        )
        self.lost_port = bool(re.search("address (already )?in use", child.log_end(), re.IGNORECASE))


class Child:
    """One server process. Not thread-safe; it may be started from any thread, and outlives that thread."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._process = process
        self._was_killed = False

    @classmethod
    def start(
        cls,
        name: str,
        argv: Sequence[str],
        *,
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Child:
        """Start a program in a session of its own (Ctrl-C at the terminal does not reach it).

        Args:
            name: name in error messages.
            argv: `argv[0]` is the program's full path.
            log_path: takes its stdout and stderr, appended.
            environment: the whole environment of the program; None = ours.
            folder: its working folder.

        Raises:
            ConfigError: this is not Linux.
        """
        if not sys.platform.startswith("linux"):
            raise ConfigError(
                f"cannot start {name}: embedded servers need Linux",
                fix="run it yourself and set bus.bootstrap and store.url",
            )
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py"))]
        command = [*launcher, str(os.getpid()), json.dumps(environment and dict(environment)), *argv]
        with log_path.open("ab") as log:
            process = _spawner().spawn(command, log.fileno(), folder)
        return cls(name, process, log_path)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code (negative: the signal); None while it runs."""
        return self._process.poll()

    @property
    def failed(self) -> bool:
        """Whether it exited other than by a `stop` that it obeyed in time."""
        return self._was_killed or self.exit_code not in (None, 0, -signal.SIGTERM, 128 + signal.SIGTERM)

    def listens_on(self, port: int) -> bool:
        """Whether this very process listens there (and not another that took the port)."""
        try:
            connections = psutil.Process(self.pid).net_connections("tcp")
        except psutil.Error:
            return False
        return any(c.laddr.port == port for c in connections if c.status == psutil.CONN_LISTEN)

    def wait_ready(self, probe: Callable[[], bool], deadline_seconds: float) -> None:
        """Poll `probe` until it succeeds. A child that is not ready by then is killed.

        Raises:
            ChildExited: it exited before it was ready.
            Unavailable: the deadline passed.
        """
        began, wait = time.monotonic(), _FIRST_POLL_SECONDS
        try:
            while not probe():
                waited = time.monotonic() - began
                if self.exit_code is not None:
                    raise ChildExited(self, waited)
                if waited > deadline_seconds:
                    raise Unavailable(
                        self.name, f"it does not answer; {self.log_excerpt()}", waited_seconds=waited
                    )
                time.sleep(wait)
                wait = min(1.3 * wait, _POLL_SECONDS)
        except BaseException:
            self.kill()
            raise

    def stop(self, deadline_seconds: float = 5.0) -> None:
        """SIGTERM; after the deadline SIGKILL to its whole process group. No effect if it has exited."""
        if self.exit_code is None:
            self._process.terminate()
            try:
                self._process.wait(deadline_seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL, as in a crash."""
        self._was_killed = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def log_excerpt(self) -> str:
        """The log's path and its last lines, for an error message."""
        return f"log {self.log_path} ends:\n{self.log_end() or '(empty)'}"

    def log_end(self) -> str:
        """The last lines of the log; empty if it cannot be read."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - _LOG_TAIL_BYTES))
                return log.read().decode(errors="replace").strip()
        except OSError:
            return ""


class _Spawner:
    """The one thread that forks children.

    The kernel ties PR_SET_PDEATHSIG to the *thread* that forked: a child of a short-lived thread would die
    with it. This thread lives as long as the process.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._requests: queue.SimpleQueue[
            tuple[Future[subprocess.Popen[bytes]], Sequence[str], int, Path | None]
        ]
        self._requests = queue.SimpleQueue()
        threading.Thread(target=self._run, name="spawner", daemon=True).start()

    def spawn(self, command: Sequence[str], log: int, folder: Path | None) -> subprocess.Popen[bytes]:
        """Fork and exec; raises what Popen raises."""
        answer: Future[subprocess.Popen[bytes]] = Future()
        self._requests.put((answer, command, log, folder))
        return answer.result()

    def _run(self) -> None:
        while True:
            answer, command, log, folder = self._requests.get()
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    start_new_session=True,
                )
            except OSError as error:
                answer.set_exception(error)
            else:
                answer.set_result(process)


_the_spawner: _Spawner | None = None
_spawner_lock = threading.Lock()


def _spawner() -> _Spawner:
    global _the_spawner
    with _spawner_lock:
        if _the_spawner is None or _the_spawner.owner != os.getpid():
            _the_spawner = _Spawner()
        return _the_spawner
