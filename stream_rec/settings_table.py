"""The settings tree as a table: one row per setting, secrets masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel

MASK = "********"
PUBLIC_SECURITY = frozenset({"security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.username"})
"""Keys of `bus.security` that are shown; any other may hold a password, a key, or a path to one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One setting.

    Attributes:
        key: its path in the tree, e.g. `bus.group`.
        value: as it may be shown.
        origin: `default`, or where the value came from.
        meaning: its description.
    """

    key: str
    value: Any
    origin: str
    meaning: str


def list_settings(tree: BaseModel, origins: Mapping[str, str], at: str = "") -> Iterator[Row]:
    """Flatten a settings tree to one row per leaf, secrets masked.

    Args:
        tree: a branch of the settings.
        origins: key path -> where its value came from; a path that is missing is at its default.
        at: key path of the branch, with a trailing dot.
    """
    for name, field in type(tree).model_fields.items():
        path = f"{at}{name}"
        value = getattr(tree, name)
        if isinstance(value, BaseModel):
            yield from list_settings(value, origins, f"{path}.")
        elif isinstance(value, dict) and any(isinstance(entry, BaseModel) for entry in value.values()):
            for key, entry in value.items():
                yield from list_settings(entry, origins, f"{path}.{key}.")
        else:
            yield Row(path, masked(path, value), _origin(path, origins), field.description or "")


def masked(path: str, value: Any) -> Any:
    """The value as it may be shown: no password of a URL, nothing that may be secret in a map of options."""
    if path == "bus.security":
        return {key: text if key in PUBLIC_SECURITY else MASK for key, text in value.items()}
    if path == "snapshot.options":
        return dict.fromkeys(value, MASK)
    if path in ("store.url", "snapshot.url"):
        return _mask_url(value)
    return value


def _mask_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None and not parts.query:
        return url
    user, at, address = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    netloc = f"{name}{colon}{MASK if colon else ''}{at}{address}"
    # A URL may carry its password as a query option as well.
    return urlunsplit((parts.scheme, netloc, parts.path, MASK if parts.query else "", parts.fragment))


def _origin(path: str, origins: Mapping[str, str]) -> str:
    """A map's entries may come from several places: name them all."""
    found = [origin for key, origin in origins.items() if key == path or key.startswith(f"{path}.")]
    return ", ".join(dict.fromkeys(found)) or "default"
