"""Keys of settings as people write them: `bus.security.sasl.password`, `STREAM_REC__BUS__SECURITY__SASL_PASSWORD`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from stream_rec.errors import ConfigError

SECURITY = (("bus", "security"), ("bridge", "security"))
"""The branches whose keys are librdkafka's, with dots of their own."""
DEEPEST = 32
"""Parts of a key, at most: what lies deeper is no setting."""


def path(key: str) -> list[str]:
    """`bus.security.sasl.password` ends in librdkafka's own dots."""
    keys = key.split(".")
    return [*keys[:2], ".".join(keys[2:])] if _in_security(keys) else keys


def _in_security(keys: Sequence[str]) -> bool:
    return tuple(keys[:2]) in SECURITY and len(keys) > 2


def parse(tree: type[BaseModel], keys: Sequence[str], text: str) -> Any:
    """A TOML value where it is one (numbers, booleans, lists, tables), else the text itself.

    Where a text is wanted, TOML of another kind is that text: `123456` may be a password.
    """
    try:
        parsed = tomllib.loads(f"v = {text}")["v"]
    except (
        ValueError,
        RecursionError,
    ):  # no TOML, a number of more digits than Python reads, or lists without end
        return text
    return text if _wants_text(tree, keys) and not isinstance(parsed, str) else parsed


def _wants_text(tree: type[BaseModel], keys: Sequence[str]) -> bool:
    if _in_security(keys):
        return True
    kind: Any = tree
    for key in keys:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            field = getattr(kind, "model_fields", {}).get(key)
            kind = field and field.annotation
    return kind is str


def nest(keys: Sequence[str], value: Any) -> dict[str, Any]:
    """The value at its place in an otherwise empty tree."""
    for key in reversed(keys):
        value = {key: value}
    return value  # type: ignore[no-any-return]


def merge(
    tree: dict[str, Any], more: Mapping[str, Any], origins: dict[str, str], origin: str, at: str = ""
) -> None:
    """Put one source's values over those of earlier sources, and note for each path where it came from.

    Raises:
        ConfigError: a key has more than `DEEPEST` parts.
    """
    if at.count(".") > DEEPEST:
        raise ConfigError(
            f"no setting lies so deep (from {origin[:80]})", fix="`stream-rec settings` lists every setting"
        )
    for name, value in more.items():
        # Not every shell takes a dot in the name of a variable: STREAM_REC__BUS__SECURITY__SASL_PASSWORD.
        key = name.replace("_", ".") if tuple(at.split(".")[:-1]) in SECURITY else name
        path = f"{at}{key}"
        if isinstance(value, Mapping):
            branch = tree.setdefault(key, {})
            if isinstance(branch, dict):
                merge(branch, value, origins, origin, f"{path}.")
                continue
        tree[key] = value
        origins[path] = origin
