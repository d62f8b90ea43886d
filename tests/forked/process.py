"""What `subprocess.Popen` does for `python -m` and a module of ours, mostly without the imports.

`start` does so for `stream-rec`, `Spawner` for what `stream_rec.embedded` starts.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from stream_rec.cli.main import command
from tests.forked import wire

ROOT = Path(__file__).parents[2]
_PYTHON = [sys.executable, "-m"]
PROGRAM = [*_PYTHON, "stream_rec.cli"]
_OURS = ("stream_rec.cli", "stream_rec.bench.chaos.worker")
"""Modules that `embedded` starts and that the original has imported."""
READ_LATER = ("STREAM_REC", "PYTEST", "COLUMNS", "NO_COLOR")
"""Beginnings of variables that no import reads: they may differ from the original's."""


def start(
    arguments: Sequence[str], *, fresh: bool = False, env: Mapping[str, str] | None = None, **popen: Any
) -> subprocess.Popen[Any]:
    """Start `stream-rec ARGUMENTS`.

    Args:
        arguments: after the program.
        fresh: whether it must not be a fork.
        env: its environment; None = ours.
        popen: further arguments of `subprocess.Popen`: streams, their text, the folder, a session of its own.
    """
    environment = dict(os.environ if env is None else env)  # noqa: TID251 - as Popen does
    is_fork = not (fresh or _must_be_fresh(arguments)) and _read_at_import(environment) == _original().read
    kind = _Forked if is_fork else subprocess.Popen
    return kind([*PROGRAM, *arguments], env=environment, **popen)


FIRST_STARTED_ANEW = ("worker", "serve", "bridge", "sink", "replay", "evaluate", "demo", "up")
"""Commands that run for long. That the others import what they use is seen by mypy, and that no import goes in circles
by import-linter."""


class Spawner:
    """In place of that of `embedded.child_process`, whose processes start anew and die with their parent.

    These die with the original, at the end of the run.

    Args:
        real: gives that one, for all others.
    """

    def __init__(self, real: Callable[[], Any]) -> None:
        self._real = real

    def spawn(self, command: Sequence[str], log: int, folder: Path | None) -> subprocess.Popen[Any]:
        """As the real one's: a program, or a module by Python, behind `launch.py`, its parent and its environment."""
        environment, *program = command[_BEFORE_ENVIRONMENT:]
        is_ours = program[:2] == _PYTHON and program[2] in _OURS
        here = dict(os.environ)  # noqa: TID251 - as Popen does
        if not is_ours or environment != json.dumps(None) or _read_at_import(here) != _original().read:
            return self._real().spawn(command, log, folder)  # type: ignore[no-any-return]
        return _Forked(
            program,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=here,
            cwd=folder,
            start_new_session=True,
        )


_BEFORE_ENVIRONMENT = 5
"""Words of a spawner's command: Python, two of its flags, `launch.py`, and its parent."""
_LONGEST_ADDRESS = 100
"""Of a socket; Linux takes 107 bytes."""


class Run:
    """This run of the tests, of one process or several.

    Attributes:
        folder: theirs: it holds a file for each command that has started once.
    """

    folder: Path


def _must_be_fresh(arguments: Sequence[str]) -> bool:
    # Its help shows less than the command's first start will.
    if "--help" in arguments or (name := command(arguments)) not in FIRST_STARTED_ANEW:
        return False
    try:
        (Run.folder / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _read_at_import(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(READ_LATER)}


class _Original:
    """The process that has imported everything, `original.py`: it forks at our order, and ends after all of the run's.

    Attributes:
        read: what its imports may have read of the environment.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self.read = _read_at_import(os.environ)  # noqa: TID251 - all processes of the run have the same
        self._connection = socket.socket(socket.AF_UNIX)
        address = "\0" + str(Run.folder)[-_LONGEST_ADDRESS:]  # in no file system: it goes with who listens
        with (Run.folder / "original.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._connection.connect_ex(address):
                self._process = self._started(
                    address
                )  # held: it must not be taken for one that nobody waits for
                self._connection.connect(address)

    def _started(self, address: str) -> subprocess.Popen[bytes]:
        with socket.socket(socket.AF_UNIX) as listener, (Run.folder / "original.log").open("w") as log:
            listener.bind(address)
            listener.listen()
            return subprocess.Popen(
                [sys.executable, "-m", "tests.forked.original", str(listener.fileno())],
                cwd=ROOT,
                env=self.read,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
            )

    def fork(self, order: wire.Order, streams: Sequence[int]) -> tuple[int, int]:
        """A new process: its pid, and what its status can be read from once it has ended."""
        status, theirs = os.pipe()
        try:
            with self._turn:
                return wire.send(self._connection, order, [*streams, theirs]), status
        finally:
            os.close(theirs)


@cache
def _original() -> _Original:
    return _Original()


class _Forked(subprocess.Popen[Any]):
    """Replaces how its base class starts a process and waits for it: the process is the original's child, not ours."""

    _status = -1

    def _execute_child(
        self,
        args: Sequence[str],
        executable: object,  # noqa: ARG002 - the arguments are those of the base class
        preexec_fn: object,  # noqa: ARG002
        close_fds: object,  # noqa: ARG002
        pass_fds: object,  # noqa: ARG002
        cwd: str | Path | None,
        env: dict[str, str],
        startupinfo: object,  # noqa: ARG002
        creationflags: object,  # noqa: ARG002
        shell: object,  # noqa: ARG002
        p2cread: int,
        p2cwrite: int,
        c2pread: int,
        c2pwrite: int,
        errread: int,
        errwrite: int,
        restore_signals: object,  # noqa: ARG002
        gid: object,  # noqa: ARG002
        gids: object,  # noqa: ARG002
        uid: object,  # noqa: ARG002
        umask: object,  # noqa: ARG002
        start_new_session: bool,
        process_group: object,  # noqa: ARG002
    ) -> None:
        given = (p2cread, c2pwrite, errwrite)
        streams = [number if one == -1 else one for number, one in enumerate(given)]
        folder = str(Path(cwd or Path.cwd()).absolute())
        module, *arguments = args[len(_PYTHON) :]
        order = wire.Order(module, arguments, env, folder, start_new_session)
        self.pid, self._status = _original().fork(order, streams)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if wait_flags & os.WNOHANG and not select.select([self._status], [], [], 0)[0]:
            return 0, 0
        told = os.read(self._status, wire.NUMBER.size)
        os.close(self._status)
        assert told, "the original has ended"
        return self.pid, wire.NUMBER.unpack(told)[0]

    def _internal_poll(self, *_: object, **__: object) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid == self.pid:
                        self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode
