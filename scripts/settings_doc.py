"""Writes the table of all settings into docs/configuration.md; `--check` only says whether it is stale."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from stream_rec.settings import Settings
from stream_rec.settings.table import list_settings

DOC = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGIN, END = "<!-- settings -->\n", "<!-- /settings -->"


def table() -> str:
    """Markdown: setting, default, meaning."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    lines += [
        f"| `{row.key}` | `{json.dumps(row.value)}` | {row.meaning.replace('|', '/')} |"
        for row in list_settings(Settings(), {})
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Exit code 1 if the table was stale and only checked."""
    text = DOC.read_text()
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    renewed = head + begin + table() + end + tail
    if "--check" in sys.argv:
        return int(renewed != text)
    DOC.write_text(renewed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
