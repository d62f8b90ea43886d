"""The file in which `stream-rec up --write` has its addresses while it runs, and how to tell that it is left over.

The writer holds a lock on the file, which the kernel takes away when it ends, however it ends.
"""

from __future__ import annotations

import fcntl
import re
from contextlib import suppress
from pathlib import Path

_MARK = "# Written by `stream-rec up --write`; goes when that ends.\n"
_TEXT = re.compile(re.escape(_MARK) + r'\[bus\]\nbootstrap = "[^"\n]*"\n\n\[store\]\nurl = "[^"\n]*"\n')


def text_of(bootstrap: str, url: str) -> str:
    """What the file holds; nothing that TOML would read otherwise is in an address of ours."""
    return f'{_MARK}[bus]\nbootstrap = "{bootstrap}"\n\n[store]\nurl = "{url}"\n'


def is_left_over(path: Path) -> bool:
    """Is this the file of an `up` that was killed: as it wrote it, and nobody holds it any more."""
    with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as file:
        if _TEXT.fullmatch(file.read()):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
    return False
