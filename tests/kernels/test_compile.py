"""The cache of compiled kernels goes by the text of every file that holds one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stream_rec.kernels.compile import PACKAGE, ROOMS, digest_of_kernels
from tests.cli.running import clean_environment

SUMS = """
import numpy as np
from stream_rec.kernels.compile import kernel, kernel_inner_sums

@kernel_inner_sums
def softmax(xs, n):
    top = xs[0]
    for i in range(n):
        top = max(top, xs[i])
    total = np.float32(0.0)
    for i in range(n):
        xs[i] = np.exp(xs[i] - top)
        total += xs[i]
    scale = np.float32(1.0) / total
    square = np.float32(0.0)
    for i in range(n):
        xs[i] *= scale
        square += xs[i] * xs[i] - scale * xs[i]
    return square

@kernel_inner_sums
def rows(a, b, n):
    total = np.float32(0.0)
    for k in range(a.shape[0]):
        part = np.float32(0.0)
        for i in range(n):
            part += a[k, i] * b[i]
        total += part * softmax(a[k], n)
    return total

@kernel
def caller(a, b, n):
    return rows(a, b, n) + rows(a, b, n - 1)

random = np.random.default_rng(1)
for n in (5, 17, 33, 100, 203):
    a, b = random.normal(size=(7, n)).astype(np.float32), random.normal(size=n).astype(np.float32)
    print(float(caller(a, b, n)).hex(), *caller.stats.cache_hits.values())
"""
"""Its copies of `softmax` and `rows` round differently from those that are compiled alone."""


def test_no_kernel_stands_outside_of_the_rooms_that_are_hashed() -> None:
    holding = {
        path.relative_to(PACKAGE).parent.as_posix()
        for path in PACKAGE.rglob("*.py")
        if "kernels.compile import" in path.read_text()
    }
    assert holding == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_change_in_any_room_makes_another_cache(room: str, tmp_path: Path) -> None:
    for each in ROOMS:
        shutil.copytree(PACKAGE / each, tmp_path / each)
    before = digest_of_kernels(tmp_path)
    assert before == digest_of_kernels(PACKAGE)
    changed = next((tmp_path / room).glob("*.py"))
    changed.write_text(changed.read_text() + "\n")
    assert digest_of_kernels(tmp_path) != before


INNER = """
import numpy as np
from stream_rec.kernels.compile import kernel
from stream_rec.sources import ranker

@kernel
def dot(a, b, n):
    return ranker._dot(a, b, n)

xs = np.arange(8, dtype=np.float32)
value = dot(xs, xs, 8)
[made] = ranker._dot.overloads.values()
print(value, len(list(made.library.get_defined_functions())), *ranker._dot.stats.cache_hits.values())
"""


def printed(script: Path, source: str) -> list[list[str]]:
    """The words of each line that a script prints, with a cache beside it."""
    script.write_text(source)
    folders = {"XDG_CACHE_HOME": str(script.parent / "cache"), "PYTHONPATH": str(PACKAGE.parent)}
    ran = subprocess.run(
        [sys.executable, str(script)],
        env={**clean_environment(), **folders},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.split() for line in ran.stdout.splitlines()]


def test_no_machine_code_is_made_of_what_only_kernels_call(tmp_path: Path) -> None:
    """They have copies of their own: here of a kernel that was compiled, of one that was loaded."""
    assert printed(tmp_path / "inner.py", INNER) == [["140.0", "0"]]
    other = INNER.replace("def dot", "def product").replace("= dot(", "= product(")
    assert printed(tmp_path / "other.py", other) == [["140.0", "0", "1"]]


def test_kernels_that_are_compiled_compute_what_loaded_ones_compute(tmp_path: Path) -> None:
    """findings/numba-compiled-differs-from-loaded.sh: else a digest depends on who has compiled."""
    compiled, loaded = (printed(tmp_path / "sums.py", SUMS) for _ in range(2))
    assert [value for value, *_ in compiled] == [value for value, *_ in loaded]
    assert [hits for _, *hits in compiled] == [[]] * 5
    assert [hits for _, *hits in loaded] == [["1"]] * 5
