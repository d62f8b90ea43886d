"""Of processes that start side by side, one compiles a kernel."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_rec.kernels import cache_claims
from stream_rec.kernels.cache_claims import Claims
from tests.cli.running import clean_environment

SAYS_WHAT_IT_COMPILED = """
import contextlib, json, sys
import numpy
from stream_rec.kernels import compile
sys.path.insert(0, {folder!r})
import tiny
with compile._CLAIMS.of({holds!r}) if {holds!r} else contextlib.nullcontext():
    print("ready", flush=True)
    sys.stdin.readline()
made = tiny.{outer}(numpy.arange(5.0))
print(json.dumps([made, [one.__name__ for one in (tiny.inner, tiny.one, tiny.other) if one.stats.cache_misses]]))
"""
TINY = """
from stream_rec.kernels.compile import kernel, kernel_inner

@kernel_inner
def inner(x):
    return x * 2.0

@kernel
def one(xs):
    total = 0.0
    for x in xs:
        total += inner(x)
    return total

@kernel
def other(xs):
    return inner(xs[1]) + inner(xs[2])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.py").write_text(TINY)
    return tmp_path


def start(folder: Path, outer: str, holds: str = "") -> subprocess.Popen[str]:
    """A process that runs the kernel once it is given a line, and until then has a claim."""
    process = subprocess.Popen(
        [sys.executable, "-c", SAYS_WHAT_IT_COMPILED.format(folder=str(folder), outer=outer, holds=holds)],
        env=clean_environment(XDG_CACHE_HOME=str(folder / "cache")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def answers(processes: list[subprocess.Popen[str]]) -> list[tuple[float, list[str]]]:
    """Of all at once."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [tuple(json.loads(process.communicate(timeout=120)[0])) for process in processes]


def test_two_that_call_the_same_kernel_at_once_compile_it_once(folder: Path) -> None:
    (made, compiled), (same, too) = answers([start(folder, "one"), start(folder, "one")])
    assert made == same == 20.0
    assert sorted(compiled + too) == ["inner", "one"]


def test_what_two_kernels_call_is_compiled_once_and_each_by_its_own_process(folder: Path) -> None:
    (_, compiled), (_, too) = answers([start(folder, "one"), start(folder, "other")])
    assert sorted(compiled + too) == ["inner", "one", "other"]
    assert "one" in compiled
    assert "other" in too


HOLDS_A_CLAIM = """
import sys
from pathlib import Path
from stream_rec.kernels.cache_claims import Claims
with Claims(Path({folder!r})).of("held"):
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the claim on `held`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_A_CLAIM.format(folder=str(tmp_path / "folder"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_a_claim_goes_with_the_process_that_held_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    claims = Claims(tmp_path / "folder")
    with claims.of("another one"):
        assert not claims._is_mine("held")
    holder.kill()
    holder.wait()
    with claims.of("held"):
        pass


def test_what_is_compiled_already_is_loaded_whoever_hangs_with_its_claim(folder: Path) -> None:
    assert answers([start(folder, "one")]) == [(20.0, ["inner", "one"])]
    holding = start(folder, "one", holds=f"{folder / 'tiny.py'}:one")
    assert answers([start(folder, "one")]) == [(20.0, [])]
    answers([holding])


def test_another_installation_of_the_same_kernels_is_not_waited_for(folder: Path) -> None:
    """It could not load what is compiled here, nor we what is compiled there: numba goes by the source file's place."""
    there = folder / "there"
    there.mkdir()
    (there / "tiny.py").write_text(TINY)
    (there / "cache").symlink_to(folder / "cache")
    holding = start(folder, "one", holds=f"{folder / 'tiny.py'}:one")
    assert answers([start(there, "one")]) == [(20.0, ["inner", "one"])]
    assert answers([holding]) == [(20.0, ["inner", "one"])]


@pytest.mark.usefixtures("holder")
def test_who_hangs_with_a_claim_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_claims, "LONGEST_SECONDS", 0.1)
    claims = Claims(tmp_path / "folder")
    with claims.of("held"):
        pass
    monkeypatch.setattr(cache_claims, "LONGEST_SECONDS", 600.0)
    with claims.of("held"):  # nor for its next kernel
        pass


def test_where_nothing_is_kept_nothing_is_claimed() -> None:
    with Claims(None).of("a"):
        pass
