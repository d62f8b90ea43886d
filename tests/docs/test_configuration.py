"""docs/configuration.md lists the settings that the code has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_settings_is_the_codes() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "settings_doc.py"), "--check"], check=False, timeout=60
    )
    assert checked.returncode == 0, "docs/configuration.md is stale: run `make docs`"
