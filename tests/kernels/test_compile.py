"""The cache of compiled kernels goes by the text of every file that holds one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stream_rec.kernels.compile import PACKAGE, ROOMS, digest_of_kernels


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
