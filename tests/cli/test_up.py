"""`stream-rec up` starts servers that other commands find, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream_rec.settings import load
from tests.cli.running import clean_environment, run
from tests.forked.process import start
from tests.kafka import need_a_jvm
from tests.waiting import wait_until


@contextmanager
def up(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    running = start(
        ["up", *options],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline().startswith("up"), running.communicate(timeout=30)[1]
    try:
        yield running
    finally:
        running.terminate()
        running.communicate(timeout=30)


@pytest.mark.parametrize("broker", ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
def test_other_commands_in_the_folder_find_the_servers(broker: str, tmp_path: Path) -> None:
    if broker == "kafka":
        need_a_jvm()
    with up(tmp_path, "--write", "--broker", broker) as running:
        lag = run("lag", "--json", "--interval", "0.1", folder=tmp_path)
        assert lag.returncode == 0, lag.stderr
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
        assert running.returncode == 0, errors
    assert not (tmp_path / "stream-rec.toml").exists()


def test_without_write_it_prints_the_environment_for_other_terminals(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        assert running.stdout is not None
        lines = [running.stdout.readline().removeprefix("export ").strip() for _ in range(2)]
        settings, _ = load(environment=dict(line.split("=", 1) for line in lines))
        assert settings.bus.bootstrap.startswith("127.0.0.1:")
        assert settings.store.url.startswith("redis://127.0.0.1:")
    assert not list(tmp_path.iterdir())


def test_a_file_of_the_user_is_never_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "stream-rec.toml"
    mine.write_text("[measure]\nk = 5\n")
    refused = run("up", "--write", folder=tmp_path)
    assert refused.returncode == 2
    assert "is there already" in refused.stderr
    assert mine.read_text() == "[measure]\nk = 5\n"


def test_killed_it_takes_its_servers_along(tmp_path: Path) -> None:
    with up(tmp_path, "--write") as running:
        settings, _ = load(file=tmp_path / "stream-rec.toml")
        running.kill()
        running.wait(30)
    wait_until(
        lambda: (
            run(
                "lag",
                "--set",
                f"bus.bootstrap={settings.bus.bootstrap}",
                "--set",
                "bus.admin_timeout_seconds=1",
            ).returncode
            == 3
        ),
        what="the broker's end",
    )


def test_the_file_of_one_that_was_killed_is_not_read_and_the_next_one_takes_its_place(tmp_path: Path) -> None:
    file = tmp_path / "stream-rec.toml"
    with up(tmp_path, "--write") as running:
        assert run("settings", folder=tmp_path).stdout.count(str(file.name)) == 2
        running.kill()
        running.wait(30)
    left = file.read_text()
    worker = run("worker", folder=tmp_path, deadline_seconds=10)
    assert worker.returncode == 2
    assert "its `stream-rec up` was killed" in worker.stderr
    assert "no Kafka address is set" in worker.stderr
    with up(tmp_path, "--write") as again:
        assert file.read_text() != left
        again.terminate()
        assert again.wait(30) == 0
    assert not file.exists()


def test_the_file_of_a_living_one_or_one_that_was_edited_is_never_taken(tmp_path: Path) -> None:
    file = tmp_path / "stream-rec.toml"
    with up(tmp_path, "--write") as running:
        refused = run("up", "--write", folder=tmp_path)
        assert (refused.returncode, "is there already" in refused.stderr) == (2, True)
        running.kill()
        running.wait(30)
    file.write_text(file.read_text() + "[measure]\nk = 5\n")
    assert run("up", "--write", folder=tmp_path).returncode == 2
    assert "k = 5" in file.read_text()


def test_a_folder_for_logs_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    refused = run("up", "--logs", "/dev/null/logs", folder=tmp_path)
    assert refused.returncode == 2
    assert "cannot write logs in /dev/null/logs" in refused.stderr
    assert "fix: " in refused.stderr
