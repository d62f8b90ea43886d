"""Values as TOML, on one line."""

from __future__ import annotations

import json
from typing import Any


def inline(value: Any) -> str:
    """As it stands behind `key =`, or in a flag."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)
