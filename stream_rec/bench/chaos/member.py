"""One worker under chaos: a process with a witness, to be killed, stopped, paused and asked."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from stream_rec.bench.chaos.tally import Testimony
from stream_rec.embedded.worker import WorkerProcess
from stream_rec.settings import Settings

PROGRAM = "stream_rec.bench.chaos.worker"
_ANSWER_SECONDS = 5.0
_SERVES = re.compile(r"owned='?([^'\n]*?)'? stage")
"""In the log line that a worker writes at each assignment."""


class Member:
    """A worker process.

    Args:
        name: what messages call it, with the file of its log.
        settings: of the worker; servers' addresses are set.
        mutation: of its engine, or `none`.
        folder: takes its socket and its log.
    """

    def __init__(self, name: str, settings: Settings, mutation: str, folder: Path) -> None:
        self._socket = folder / f"{name}.socket"
        program = (PROGRAM, str(self._socket), mutation)
        self._process = WorkerProcess(settings, list(_flags(settings)), program, folder)
        self.name = f"{name} ({self.log_path.name})"

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.exit_code

    @property
    def log_path(self) -> Path:
        """What it says."""
        return self._process.log_path

    def owned(self) -> set[str]:
        """Topic-partitions that it said last that it serves."""
        said = _SERVES.findall(self.log_path.read_text(errors="replace"))
        return set(said[-1].split(", ")) - {""} if said else set()

    def serves(self) -> bool:
        """Has it ever been in the group?"""
        return bool(_SERVES.search(self.log_path.read_text(errors="replace")))

    def partitions(self) -> list[int]:
        """Those of `events` that it serves."""
        return sorted(int(owned.partition("/")[2]) for owned in self.owned() if owned.startswith("events/"))

    def testimony(self) -> Testimony | None:
        """What it has learned; None when it does not answer."""
        raw = self._asked("testimony")
        return msgspec.json.decode(raw, type=Testimony) if raw else None

    def jump(self, seconds: float) -> None:
        """Its wall clock is off by so much from now on."""
        self._asked(f"jump {seconds}")

    def says(self, words: str) -> bool:
        """Are these words in its log?"""
        return words in self.log_path.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def ask_to_stop(self) -> None:
        """SIGTERM, and return."""
        os.kill(self._process.pid, signal.SIGTERM)

    def bury(self) -> int:
        """The exit code of one that has ended."""
        return self._process.stop()

    def _asked(self, line: str) -> bytes:
        """The answer to a line; empty when there is none."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
                asked.settimeout(_ANSWER_SECONDS)
                asked.connect(str(self._socket))
                asked.sendall(line.encode() + b"\n")
                return b"".join(iter(lambda: asked.recv(1 << 16), b""))
        except OSError:
            return b""

    def pause(self) -> None:
        """SIGSTOP."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self._process.pid, signal.SIGCONT)


def _flags(settings: Settings) -> Iterator[str]:
    for key, value in _flat(settings.model_dump(mode="json", exclude_defaults=True)):
        yield from ("--set", f"{key}={json.dumps(value)}")


def _flat(tree: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", value
