"""Where snapshots lie in tests."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """A folder or a URL, and what its file system must know."""

    url: str
    options: dict[str, str] = field(default_factory=dict)
