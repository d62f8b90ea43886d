"""Servers of other makers: a program that the user has built, run on 127.0.0.1 and asked over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from stream_rec.embedded.child_process import Child
from stream_rec.embedded.server import READY_SECONDS, Server, ServerFolder, start_on_free_port
from stream_rec.errors import ConfigError, Unavailable

ANSWER_SECONDS = 60.0
"""No answer by then ends the peer's run."""

Configure = Callable[[int, Path], Sequence[str]]
"""(port, folder) -> the program's arguments; may write files into the folder."""


class PeerServer(Server):
    """A running server in a temporary folder, which is its working folder and its home.

    If it is written in Go it runs on one thread. It dies with this process, however that ends.

    Attributes:
        folder: its files; gone when it is stopped.
    """

    def __init__(
        self, program: Path, port: int, folder: ServerFolder, configure: Configure, ready: str
    ) -> None:
        self.folder = folder.data
        self._name, self._port, self._ready = program.name, port, ready
        variables = [f"HOME={folder.data}", "GOMAXPROCS=1"]
        self._argv = [_env(), *variables, str(program), *configure(port, folder.data)]
        self._http = self._client()
        super().__init__(self._launch(folder), folder)

    @classmethod
    def start(cls, program: Path, configure: Configure, *, ready: str) -> Self:
        """Start on a free port and wait until it answers.

        Args:
            program: its full path.
            configure: called once for each port that is tried.
            ready: a path that is answered with 200 when it is up.

        Raises:
            Unavailable: it did not start; the message has the end of its log.
        """
        return start_on_free_port(
            program.name, None, lambda port, folder: cls(program, port, folder, configure, ready)
        )

    def restart(self) -> None:
        """Stop it and start it again on its port and its files.

        Raises:
            Unavailable: it did not start.
        """
        self._http.close()  # a server that stops in good order waits for its connections
        self._child.stop()
        self._http = self._client()
        self._child = self._launch(self._folder)

    def stop(self) -> None:
        """Stop it; its files are deleted, and its log, however it ends: Serenade's store sometimes aborts at that."""
        self._http.close()
        self._child.stop()
        self._folder.close(failed=False)

    def ask(self, method: str, path: str, *, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """One request; the answer's JSON.

        Raises:
            Unavailable: no answer in time, or not one of success.
        """
        try:
            answer = self._http.request(method, path, json=body, params=query)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise Unavailable(self._name, f"{error}; {self._child.log_excerpt()}") from error
        return answer.json()

    def wait(self, until: Callable[[], bool], seconds: float) -> None:
        """Look again and again until it is so.

        Raises:
            Unavailable: it never was, and the server was killed; or it has exited.
        """
        self._child.wait_ready(until, seconds)

    def _client(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}", timeout=ANSWER_SECONDS, trust_env=False
        )

    def _launch(self, folder: ServerFolder) -> Child:
        child = Child.start(self._name, self._argv, log_path=folder.log_path, folder=folder.data)
        child.wait_ready(lambda: child.listens_on(self._port) and self._answers(), READY_SECONDS)
        return child

    def _answers(self) -> bool:
        try:
            return self._http.get(self._ready).is_success
        except httpx.HTTPError:  # not yet
            return False


def _env() -> str:
    """The program that runs another one with other variables."""
    found = shutil.which("env")
    if found is None:
        raise ConfigError("there is no `env` on PATH", fix="install coreutils")
    return found
