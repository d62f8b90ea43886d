"""The process that compiles beside the first start."""

from __future__ import annotations

import subprocess
import sys

from stream_rec.engine import warm


def test_it_ends_with_the_process_that_started_it() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", warm.__name__], stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    assert ended.returncode == 1


def test_once_all_is_compiled_there_is_none() -> None:
    assert not warm._is_first_start()
