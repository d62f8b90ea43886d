"""A command of ours on a running stack, as a process of its own, as in production."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from stream_rec.embedded.child_process import Child, ChildExited
from stream_rec.embedded.server import ServerFolder
from stream_rec.settings import Settings


class OwnProcess:
    """It dies with this process. Its log is kept if it fails.

    Args:
        name: of the process, in messages and in its folder.
        settings: of the running stack.
        words: what follows `python -m`; the stack's addresses are added.
        log_dir: keeps the log in any case.
    """

    STOP_SECONDS: ClassVar[float]
    """How long it may take to end."""

    def __init__(
        self, name: str, settings: Settings, words: Sequence[str], log_dir: Path | None = None
    ) -> None:
        self._folder = ServerFolder(name, log_dir)
        argv = [sys.executable, "-m", *words]
        for key, value in (("bus.bootstrap", settings.bus.bootstrap), ("store.url", settings.store.url)):
            argv += ["--set", f"{key}={value}"]
        self._child = Child.start(name, argv, log_path=self._folder.log_path)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._child.pid

    @property
    def log_path(self) -> Path:
        """Its output."""
        return self._folder.log_path

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._child.exit_code

    @property
    def ended_with(self) -> int:
        """Its exit code, once it has ended."""
        code = self._child.exit_code
        assert code is not None
        return code

    def check(self) -> None:
        """Check that it runs.

        Raises:
            ChildExited: it has exited.
        """
        if self.exit_code is not None:
            raise ChildExited(self._child, 0.0)

    def stop(self) -> int:
        """SIGTERM, and its exit code: 0 if all is well."""
        self._child.stop(self.STOP_SECONDS)
        self._folder.close(failed=self.ended_with != 0)
        return self.ended_with

    def kill(self) -> None:
        """SIGKILL, as in a crash."""
        self._child.kill()
        self._folder.close(failed=False)
