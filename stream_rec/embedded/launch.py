"""Turns into a server that dies with the process that started it.

`python launch.py PARENT_PID ENVIRONMENT_JSON PROGRAM ARGUMENT...`: a program of its own, because code between
fork and exec of a process with threads may deadlock. Standard library only: it starts in milliseconds.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL at the parent's death."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")


def main(argv: list[str]) -> None:
    """Turn into the program."""
    parent, environment, program = int(argv[0]), json.loads(argv[1]), argv[2:]
    die_with_parent()
    if os.getppid() != parent:
        sys.exit("the parent was gone before the start")
    for ignored_by_python in (
        signal.SIGPIPE,
        signal.SIGXFSZ,
    ):  # an ignored signal would stay ignored after exec
        signal.signal(ignored_by_python, signal.SIG_DFL)
    try:
        if environment is None:
            os.execv(program[0], program)
        os.execve(program[0], program, environment)
    except OSError as error:
        sys.exit(f"cannot run {program[0]}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
