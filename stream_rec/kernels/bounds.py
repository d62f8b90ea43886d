"""How large state and working memory may become."""

from __future__ import annotations

from typing import NamedTuple


class Bounds(NamedTuple):
    """The settings that give arrays their form."""

    users: int = 1
    items: int = 1
    hidden: int = 1
    texts: int = 1
    windows: int = 1
    blocked: int = 1
    undoable: int = 1
    history_length: int = 64
    ring_length: int = 250
    n_factors: int = 32
    spaces: int = 0
    vector_width: int = 8
    longest_slate: int = 20
    ratings: bool = False
