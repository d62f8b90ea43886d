"""A fork behaves as a process that was started anew, and only where it can."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import clean_environment, run
from tests.forked.process import start


def started(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return start(
        arguments,
        env=clean_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["settings", "--json"],
        ["--log-json", "recommend", "ann"],
        ["recommend", "ann", "--set", "store.url=redis://127.0.0.1:1"],
        ["lag", "--nonsense"],
    ],
)
def test_output_and_exit_code_are_those_of_a_fresh_start(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "stream-rec.toml").write_text('[bus]\nprefix = "of-the-folder-"\n')
    environment = {"STREAM_REC__BUS__GROUP": "of-the-environment"}
    fresh, fork, again = (
        run(*arguments, folder=tmp_path, environment=environment, fresh=fresh)
        for fresh in (True, False, False)
    )
    assert (fork.returncode, fork.stdout) == (again.returncode, again.stdout)
    assert (fork.returncode, fork.stdout, fork.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)


def test_a_signal_reaches_it_alone_and_how_it_ended_is_told() -> None:
    run("up", "--help")
    one, other = started("up"), started("up")
    for process in (one, other):
        assert process.stdout is not None
        assert process.stdout.readline().startswith("up")
        assert process.poll() is None
    one.kill()
    assert one.wait(30) == -signal.SIGKILL
    assert other.poll() is None
    other.send_signal(signal.SIGINT)
    other.communicate(timeout=30)
    assert other.returncode == 0


def test_with_an_environment_that_imports_read_it_is_no_fork(tmp_path: Path) -> None:
    run("settings")
    processes = [started("settings"), started("settings", XDG_CACHE_HOME=str(tmp_path))]
    for process in processes:
        process.communicate(timeout=60)
    assert [type(process) is subprocess.Popen for process in processes] == [False, True]
