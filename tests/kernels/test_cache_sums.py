"""A damaged cache of compiled kernels costs a compilation, never a start."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from stream_rec.kernels.cache_sums import CACHE_SUFFIXES, SUM_SUFFIX, drop_damaged, record_sums
from tests.cli.running import clean_environment

RUNS_TWO_KERNELS = """
import json, sys
import numpy
from pathlib import Path
from stream_rec.kernels import compile
sys.path.insert(0, {folder!r})
from tiny import outer
print(json.dumps([outer(numpy.arange(5.0)), sum(outer.stats.cache_misses.values())]))
"""
TINY = """
from stream_rec.kernels.compile import kernel

@kernel
def inner(x):
    return x * 2.0

@kernel
def outer(xs):
    total = 0.0
    for x in xs:
        total += inner(x)
    return total
"""
DAMAGED = "damaged files in the cache of compiled kernels were deleted"


def start(folder: Path) -> tuple[float, int, str]:
    """Run a kernel in a new process: its result, how many kernels it compiled, and what was logged."""
    done = subprocess.run(
        [sys.executable, "-c", RUNS_TWO_KERNELS.format(folder=str(folder))],
        env=clean_environment(XDG_CACHE_HOME=str(folder / "cache")),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *log, answer = done.stdout.strip().splitlines()
    result, compiled = json.loads(answer)
    return result, compiled, "\n".join(log)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tiny kernels and their cache."""
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "tiny.py").write_text(TINY)
    assert start(folder) == (20.0, 1, "")
    return folder


def cache_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in CACHE_SUFFIXES)


def test_every_compiled_kernel_has_its_checksum_and_is_loaded_by_the_next_start(compiled: Path) -> None:
    assert len(cache_files(compiled)) == 4
    assert all(path.with_name(path.name + SUM_SUFFIX).exists() for path in cache_files(compiled))
    assert start(compiled) == (20.0, 0, "")


@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_a_changed_byte_in_every_file_is_said_once_and_costs_one_compilation(
    compiled: Path, where: str
) -> None:
    for path in cache_files(compiled):
        damage(path, {"first": 0, "middle": path.stat().st_size // 2, "last": -1}[where])
    result, n_compiled, log = start(compiled)
    assert (result, n_compiled) == (20.0, 1)
    assert log.count(DAMAGED) == 1
    assert "n_files=4" in log
    assert start(compiled) == (20.0, 0, "")


def test_any_single_changed_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "kernel.nbc"
    content = random.Random(7).randbytes(300)
    for position in range(len(content)):
        path.write_bytes(content)
        record_sums(tmp_path)
        assert drop_damaged(tmp_path) == 0
        damage(path, position)
        assert drop_damaged(tmp_path) == 1
        assert not path.exists()
        path.with_name(path.name + SUM_SUFFIX).unlink()


def test_a_file_that_was_not_recorded_before_its_writer_died_is_compiled_again(tmp_path: Path) -> None:
    (tmp_path / "kernel.nbi").write_bytes(b"index")
    (tmp_path / "kernel.nbi.tmp.12").write_bytes(b"being written")
    assert drop_damaged(tmp_path) == 0, "another process may be about to record it"
    age(tmp_path / "kernel.nbi")
    assert drop_damaged(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["kernel.nbi.tmp.12"]


def damage(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)
    age(path)


def age(path: Path) -> None:
    """As if it had been written long before its checksum."""
    os.utime(path, (0, 0))
