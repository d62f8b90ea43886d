"""Settings of a shape as the text of the settings file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec


def toml(settings: Mapping[str, Any], name: str, above: str = "shapes") -> str:
    """Settings of a shape, or of another table of tables, as TOML."""
    head = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)
    tables = {key: value for key, value in settings.items() if isinstance(value, Mapping)}
    lines = [f"[{above}.{head}]"]
    lines += [
        f"{key} = {_value(value)}"
        for key, value in settings.items()
        if key not in tables and value is not None
    ]
    for key, table in tables.items():
        lines += [
            "",
            f"[{above}.{head}.{key}]",
            *(f"{_key(one)} = {_value(each)}" for one, each in table.items()),
        ]
    return "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return _quoted(str(value))


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    """A basic string: TOML escapes as JSON does, and DEL besides."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")
