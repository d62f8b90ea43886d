"""What README.md shows works as shown: the blocks are run in its order, in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.running import clean_environment, run
from tests.forked.process import start
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
HERE = "tests/docs/test_readme.py"
STAYING = {"stream-rec up": "up:", "stream-rec worker": "serving", "stream-rec serve": "listening"}
"""Commands that go on while others run, and what they say once they are ready."""


class Block(NamedTuple):
    """A fenced block, and who runs it."""

    language: str
    text: str
    run_by: str


def blocks() -> list[Block]:
    found = re.findall(r"(?:<!-- run by (\S+) -->\n)?^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [Block(language, text, run_by) for run_by, language, text in found]


def test_every_block_with_commands_or_code_says_which_test_runs_it() -> None:
    assert len(blocks()) >= 4
    for block in blocks():
        assert block.run_by, f"nobody runs:\n{block.text}"
        assert (ROOT / block.run_by).is_file()


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 150


class Terminals:
    """A user's terminals in one folder, with the virtual environment active."""

    def __init__(self, folder: Path, running: ExitStack, **environment: str) -> None:
        self._folder = folder
        self._running = running
        self._environment = {"STREAM_REC__MEASURE__PROMETHEUS_PORT": "0", **environment}

    def type(self, line: str) -> str:
        """Run a line; what it printed. A command that stays is started, and is ready when this returns."""
        program, *arguments = shlex.split(line, comments=True)
        if said := STAYING.get(" ".join([program, *arguments[:1]])):
            self._running.enter_context(self._staying(arguments, said))
            return ""
        ended = self._run(arguments) if program == "stream-rec" else self._run_other(program, arguments)
        assert ended.returncode == 0, f"{line}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        return run(*arguments, environment=self._environment, folder=self._folder, deadline_seconds=120)

    def _run_other(self, program: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
        return subprocess.run(
            [program, *arguments],
            cwd=self._folder,
            env=clean_environment(PATH=path, **self._environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def _staying(self, arguments: list[str], said: str) -> Iterator[None]:
        log = self._folder / f"{arguments[0]}.log"
        with log.open("w") as output:
            process = start(
                arguments,
                cwd=self._folder,
                env=clean_environment(**self._environment),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(
                lambda: said in log.read_text() or process.poll() is not None,
                300,
                f"{arguments[0]} to be ready",
            )
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.terminate()
            assert process.wait(30) == 0, log.read_text()


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    with ExitStack() as running:
        yield Terminals(tmp_path, running)


def test_use_it_as_shown(terminals: Terminals) -> None:
    printed: dict[str, str] = {}
    for block in blocks():
        if block.run_by != HERE:
            continue
        if block.language == "python":
            code = shlex.join(["python", "-c", block.text])
            printed["python"] = terminals.type(code)
            continue
        for line in block.text.splitlines():
            if not line.startswith(". "):
                printed[line.partition("#")[0].strip()] = terminals.type(line)
    assert printed["stream-rec simulate --events 5000"].startswith("5,000 events published")
    assert len(printed["python"].splitlines()) > 5, "recommendations, right after the click"
    assert "as of events/" in printed["stream-rec recommend ann"]
    assert "FAIL" not in printed["stream-rec doctor"].upper()
