"""One thing the doctor found."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """Attributes.

    status: `ok`; `warn` = works, but not as it should; `fail` = a worker cannot run, or runs wrongly.
    what: what was found.
    fix: what to do; empty for `ok`.
    """

    status: Literal["ok", "warn", "fail"]
    what: str
    fix: str = ""
