"""Names of requests and of slates that are made for one: unlike all others, and no secret."""

from __future__ import annotations

import os
from random import Random

_random = Random()
"""Seeded by the system, which takes longer to ask each time than a slate to encode."""
os.register_at_fork(after_in_child=_random.seed)


def new_name() -> str:
    """16 hexadecimal digits."""
    return f"{_random.getrandbits(64):016x}"
