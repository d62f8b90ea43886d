"""Where snapshots lie in tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import fsspec


@dataclass(frozen=True)
class Place:
    """A folder or a URL, and what its file system must know."""

    url: str
    options: dict[str, str] = field(default_factory=dict)


@contextmanager
def in_memory() -> Iterator[Place]:
    """A folder that is not there yet, in this process's memory until the end."""
    name = uuid.uuid4().hex
    yield Place(f"memory://{name}")
    files = fsspec.filesystem("memory")
    if files.exists(name):
        files.rm(name, recursive=True)
