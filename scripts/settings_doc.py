"""Writes the table of all settings into docs/configuration.md; `--check` only says whether it is stale."""

from __future__ import annotations

import json
import sys

from generated import DOCS, renew

from stream_rec.settings import Settings
from stream_rec.settings.table import list_settings


def table() -> str:
    """Markdown: setting, default, meaning."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    lines += [
        f"| `{row.key}` | `{json.dumps(row.value)}` | {row.meaning.replace('|', '/')} |"
        for row in list_settings(Settings(), {})
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(renew(DOCS / "configuration.md", "settings", table()))
