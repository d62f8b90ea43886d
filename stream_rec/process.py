"""Servers as child processes: ready-checks with a deadline, logs kept on failure, and no orphans.

A child dies with this process however that ends, SIGKILL included (Linux: PR_SET_PDEATHSIG, see `launch.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import psutil

from stream_rec.errors import ConfigError, Unavailable

START_TRIES = 4
"""Ports a server is tried on before its start counts as failed."""
_PORTS = range(20_000, 32_768)
"""Below Linux' ephemeral range, so that no outgoing connection takes a server's port while it restarts."""
_LOG_TAIL_BYTES = 2_000
_POLL_SECONDS = 0.005

Server = TypeVar("Server")


class ChildExited(Unavailable):
    """A server ended by itself. The end of its log is in the message; the whole log stays at `log_path`."""

    def __init__(self, child: Child, waited_seconds: float) -> None:
        super().__init__(
            child.name,
            f"it exited with {child.exit_code}; {child.log_excerpt()}",
            waited_seconds=waited_seconds,
        )
        self.log_path = child.log_path


class Child:
    """One server process. Not thread-safe; it may be started from any thread and outlives that thread."""

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
            name: what errors call it.
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
        """How it ended (negative: the signal); None while it runs."""
        return self._process.poll()

    @property
    def failed(self) -> bool:
        """Did it end other than by a `stop` that it obeyed in time."""
        return self._was_killed or self.exit_code not in (None, 0, -signal.SIGTERM, 128 + signal.SIGTERM)

    def listens_on(self, port: int) -> bool:
        """Does this very process listen there (and not another that took the port)."""
        try:
            connections = psutil.Process(self.pid).net_connections("tcp")
        except psutil.Error:
            return False
        return any(c.laddr.port == port for c in connections if c.status == psutil.CONN_LISTEN)

    def wait_ready(self, probe: Callable[[], bool], deadline_seconds: float) -> None:
        """Ask `probe` until it says yes. A child that is not ready in time is stopped.

        Raises:
            ChildExited: it ended before it was ready.
            Unavailable: the deadline passed.
        """
        began = time.monotonic()
        while True:
            if self.exit_code is not None:
                raise ChildExited(self, time.monotonic() - began)
            if probe():
                return
            waited = time.monotonic() - began
            if waited > deadline_seconds:
                self.stop()
                self._was_killed = True
                raise Unavailable(
                    self.name, f"it does not answer; {self.log_excerpt()}", waited_seconds=waited
                )
            time.sleep(_POLL_SECONDS)

    def stop(self, deadline_seconds: float = 5.0) -> None:
        """SIGTERM; after the deadline SIGKILL to its whole process group. Nothing if it has ended."""
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
        """Where the log is, and its last lines."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - _LOG_TAIL_BYTES))
                tail = log.read().decode(errors="replace").strip()
        except OSError as error:
            return f"its log {self.log_path} cannot be read: {error}"
        return f"log {self.log_path} ends:\n{tail or '(empty)'}"


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


def free_port() -> int:
    """A port of 127.0.0.1 nobody listens on now; another program may take it at once (see `on_free_port`).

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


def on_free_port(start: Callable[[int], Server]) -> Server:
    """Call `start(port)` again after `ChildExited`: a port can be lost between choosing and binding.

    Raises:
        ChildExited: of the last of `START_TRIES` tries.
    """
    for _ in range(START_TRIES - 1):
        with contextlib.suppress(ChildExited):
            return start(free_port())
    return start(free_port())


class ServerFolder:
    """A temporary folder for one server: `log_path`, and `data`, which goes when the server goes.

    The log is kept if the server failed, or always when the caller named the folder for logs.
    """

    def __init__(self, name: str, log_dir: Path | None = None) -> None:
        _remove_data_of_the_dead()
        self._root = Path(tempfile.mkdtemp(prefix=f"stream-rec-{os.getpid()}-{name}-"))
        self.data = self._root / "data"
        self.data.mkdir()
        self._keep_log = log_dir is not None
        if log_dir is not None:
            log_dir.mkdir(parents=True, exist_ok=True)
        self.log_path = (log_dir or self._root) / f"{self._root.name}.log"

    def close(self, *, failed: bool) -> None:
        """Remove the data, and the log too unless it is to be kept."""
        shutil.rmtree(self.data, ignore_errors=True)
        if self._keep_log or not failed:
            shutil.rmtree(self._root, ignore_errors=True)


def _remove_data_of_the_dead() -> None:
    """Data of servers whose parent was killed and could not clean up. Their logs stay."""
    for folder in Path(tempfile.gettempdir()).glob("stream-rec-*-*-*"):
        pid = folder.name.split("-")[2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder / "data", ignore_errors=True)
