"""The generated part of a page of docs/: between two comments, renewed or only compared."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def renew(page: Path, name: str, content: str) -> int:
    """Put `content` between `<!-- NAME -->` and `<!-- /NAME -->`; `--check` only compares.

    Returns:
        The exit code: 1 = it was stale and is only compared.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    text = page.read_text()
    head, _, rest = text.partition(begin)
    renewed = head + begin + content + end + rest.partition(end)[2]
    if "--check" in sys.argv:
        return int(renewed != text)
    page.write_text(renewed)
    return 0
