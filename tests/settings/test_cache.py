"""Where there is no writable cache folder and no home, the program says so and works."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stream_rec.errors import ConfigError
from stream_rec.settings import cache_folder, wanted_cache_folder
from tests.cli.running import clean_environment

NOWHERE = "/dev/null/nowhere"
"""Nobody can make a folder there, root neither."""
COMPILES = "import numpy; from stream_rec.kernels.ids import mix; print(int(mix(numpy.uint64(1))))"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def compiled(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run a kernel in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", COMPILES],
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_kernels_run_without_a_writable_cache_folder_and_say_so_once(tmp_path: Path) -> None:
    done = compiled(XDG_CACHE_HOME=NOWHERE, TMPDIR=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("the cache folder cannot be written") == 1
    assert "set XDG_CACHE_HOME" in done.stdout
    assert list(tmp_path.rglob("*.nbc")), "they are kept where there is room"


def test_kernels_compiled_into_a_folder_that_is_now_read_only_are_taken_over(tmp_path: Path) -> None:
    """As of an image with a read-only root."""
    warm, instead = tmp_path / "warm", tmp_path / "instead"
    assert compiled(XDG_CACHE_HOME=str(warm)).returncode == 0
    kept = {path.name: path.stat().st_mtime_ns for path in warm.rglob("*.nbc")}
    instead.mkdir()
    code = (
        "from pathlib import Path; import stream_rec.settings.cache as cache; own = cache._is_writable; "
        f"cache._is_writable = lambda folder: Path({str(warm)!r}) not in folder.parents and own(folder); {COMPILES}"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(XDG_CACHE_HOME=str(warm), TMPDIR=str(instead)),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name: path.stat().st_mtime_ns for path in instead.rglob("*.nbc")} == kept


def test_a_user_without_a_home_has_a_folder_of_his_own_in_the_temporary_one(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)

    def unknown(_: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert wanted_cache_folder() is None
    assert cache_folder() == temporary / f"stream-rec-{os.geteuid()}"
    assert stat.S_IMODE(cache_folder().stat().st_mode) == 0o700


def test_a_folder_that_somebody_else_can_write_to_is_not_used(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled code would be loaded from it."""
    monkeypatch.setenv("XDG_CACHE_HOME", NOWHERE)
    cache_folder().chmod(0o777)
    with pytest.raises(ConfigError, match="neither the cache folder") as refused:
        cache_folder()
    assert "TMPDIR" in refused.value.fix
    cache_folder_of_another = temporary / f"stream-rec-{os.geteuid()}"
    cache_folder_of_another.rmdir()
    (temporary / "elsewhere").mkdir()
    cache_folder_of_another.symlink_to(temporary / "elsewhere")
    with pytest.raises(ConfigError):
        cache_folder()


def test_the_wanted_folder_is_made_and_used_if_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == wanted_cache_folder() == tmp_path / "cache" / "stream-rec"
    assert not list(cache_folder().iterdir())
