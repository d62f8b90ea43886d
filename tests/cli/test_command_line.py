"""The command line as a whole: help, errors, exit codes."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command

from stream_rec.cli.app import app, chosen
from tests.cli.running import clean_environment, run

COMMANDS = {
    "up",
    "worker",
    "serve",
    "dashboard",
    "key",
    "tenant",
    "replay",
    "shape",
    "simulate",
    "recommend",
    "similar",
    "popular",
    "items",
    "replay-state",
    "why",
    "lag",
    "sink",
    "export",
    "batch",
    "dead-letters",
    "demo",
    "bench",
    "bridge",
    "evaluate",
    "doctor",
    "settings",
    "snapshot",
    "scenario",
    "ope",
    "experiment",
    "alarm",
    "forget",
    "merge",
    "pipeline",
    "vectors",
}
HEAVY = (
    "numpy",
    "numba",
    "polars",
    "faust",
    "faiss",
    "river",
    "confluent_kafka",
    "redis",
    "pydantic",
    "rich.live",
)


def test_help_lists_every_command() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    listed = {
        line.split()[1] for line in shown.stdout.splitlines() if line.startswith("│ ") and line[2] != " "
    }
    assert listed >= COMMANDS


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str) -> None:
    shown = run(command, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "Usage: " in shown.stdout


def test_the_command_line_itself_loads_nothing_heavy() -> None:
    code = f"import sys, stream_rec.cli; print([name for name in {HEAVY} if name in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
        timeout=60,
    )
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["lag", "--nonsense"], ["--log-level", "loud", "settings"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    refused = run(*arguments)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "command", [["worker"], ["replay", "movielens-100k"], ["simulate"], ["recommend", "u"]]
)
def test_a_missing_address_is_exit_code_2_with_the_fix(command: list[str]) -> None:
    refused = run(*command)
    assert refused.returncode == 2
    assert "address is set" in refused.stderr
    assert "fix: run `stream-rec up --write`" in refused.stderr


def test_a_file_that_cannot_be_written_is_refused_before_the_work() -> None:
    refused = run("demo", "--json", "/nowhere/figures.json")
    assert refused.returncode == 2
    assert "cannot write /nowhere/figures.json" in refused.stderr


def test_it_says_its_version() -> None:
    shown = run("--version")
    assert (shown.returncode, shown.stdout) == (0, f"stream-rec {version('stream-rec')}\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux'")
def test_bounds_that_this_machine_has_no_memory_for_are_exit_code_2_with_a_fix(tmp_path: Path) -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)); "
        "from stream_rec.cli.main import main; main()"
    )
    refused = subprocess.run(
        [sys.executable, "-c", code, "snapshot", "restore", "--set", "engine.max_users=200_000_000"],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(STREAM_REC__SNAPSHOT__URL=str(with_a_snapshot(tmp_path))),
        timeout=120,
    )
    assert refused.returncode == 2, refused.stderr
    assert "not enough memory" in refused.stderr
    assert "fix: lower engine.max_users" in refused.stderr
    assert "Traceback" not in refused.stderr


def with_a_snapshot(folder: Path) -> Path:
    """A name that makes the command go as far as an engine."""
    (folder / "20200101T000000000Z-abcd.json").write_text("{}")
    return folder


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_only_the_options_of_the_command_that_is_named_are_worked_out(name: str) -> None:
    for words in ([name], [name, "--help"], ["--log-level", "debug", name, "ann"]):
        assert list(getattr(get_command(chosen(words)), "commands", {})) == [name]


@pytest.mark.parametrize(
    "words",
    [[], ["--help"], ["--help", "lag"], ["-h", "lag"], ["--version"], ["lags"], ["--log-level", "lag"]],
)
def test_where_help_may_list_them_all_commands_are_there(words: list[str]) -> None:
    assert chosen(words) is app
