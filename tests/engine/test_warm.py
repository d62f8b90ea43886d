"""What an engine calls later is compiled before the first event: no batch waits for a compiler."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_is_compiled_once_the_engine_is_warm() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tests.engine.after_warming"], capture_output=True, text=True, check=True
    )
    assert found.stdout == ""
