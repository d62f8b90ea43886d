"""scripts/setup.sh picks a Python that fits, or stops with the fix."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "setup.sh"


def setup(path: Path, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), str(tmp_path / "venv")],
        env={"PATH": str(path), "HOME": str(tmp_path)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with the tools the script uses, and no Python yet."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("dirname", "ls", "rm", "uname", "touch"):
        found = next(p for p in os.get_exec_path() if (Path(p) / tool).exists())
        (folder / tool).symlink_to(Path(found) / tool)
    return folder


def program(folder: Path, name: str, body: str) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return file


def test_a_shim_that_exists_but_fails_is_passed_over(path: Path, tmp_path: Path) -> None:
    program(path, "python3.12", "echo 'command not found' >&2; exit 127")
    # A Python that fits: it answers the check, says its version, and its `-m venv` is the end of this test.
    program(
        path,
        "python3.11",
        'case "$1" in -c) exit 0;; --version) echo Python 3.11.9;; *) echo "venv asked"; exit 9;; esac',
    )
    ended = setup(path, tmp_path)
    assert f"Python 3.11.9 at {path}/python3.11" in ended.stdout
    assert "venv asked" in ended.stdout


def test_without_a_fitting_python_it_stops_and_says_what_to_install(path: Path, tmp_path: Path) -> None:
    program(path, "python3", "exit 1")
    ended = setup(path, tmp_path)
    assert ended.returncode == 1
    assert "no Python 3.11 or 3.12" in ended.stderr
    assert "fix: install one" in ended.stderr


def test_a_python_of_pyenv_that_is_not_on_path_is_found(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / ".pyenv" / "versions" / "3.12.4" / "bin"
    folder.mkdir(parents=True)
    program(folder, "python", 'case "$1" in -c) exit 0;; --version) echo Python 3.12.4;; *) exit 9;; esac')
    assert f"Python 3.12.4 at {folder}/python" in setup(path, tmp_path).stdout


def test_a_chosen_python_that_does_not_fit_is_refused(path: Path, tmp_path: Path) -> None:
    old = program(tmp_path, "python3.9", "exit 1")
    ended = setup(path, tmp_path, PYTHON=str(old))
    assert ended.returncode == 1
    assert f"PYTHON={old} does not run as Python 3.11 or 3.12" in ended.stderr
