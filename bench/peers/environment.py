"""Where the packages of other makers are installed."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
"""`make peers` makes it; children start in ROOT, so that `-m bench.peers...` finds them."""
