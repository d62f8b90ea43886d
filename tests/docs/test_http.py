"""docs/http.md has the routes that the server has, and its settings exist."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_reference_is_the_servers() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "http_doc.py"), "--check"], check=False, timeout=60
    )
    assert checked.returncode == 0, "docs/http.md is stale: run `make docs`"
