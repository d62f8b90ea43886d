"""The settings tree as a table: one row per setting, secrets masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel

from stream_rec.settings.masking import MASK, shown_url

PUBLIC_SECURITY = frozenset(
    {
        "security.protocol",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.username",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.crl.location",
        "ssl.endpoint.identification.algorithm",
        "enable.ssl.certificate.verification",
    }
)
"""Keys of `bus.security` that are shown; any other may hold a password or a key."""
_SECRET_WORDS = ("password", "secret", "token")
"""Options of a URL that hold one of these in their name are secret."""


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
                if entry.SHOWN_WHOLE:
                    whole, shown = f"{path}.{key}", entry.model_dump(exclude_unset=True)
                    yield Row(whole, shown, _origin(whole, origins), field.description or "")
                else:
                    yield from list_settings(entry, origins, f"{path}.{key}.")
        else:
            yield Row(path, masked(path, value), _origin(path, origins), field.description or "")


def masked(path: str, value: Any) -> Any:
    """The value as it may be shown: no password, also not of a URL wherever one stands, nothing of a map of options."""
    name = path.rpartition(".")[2]
    if path in ("bus.security", "bridge.security"):
        return {key: text if key in PUBLIC_SECURITY else MASK for key, text in value.items()}
    if path == "snapshot.options":
        return dict.fromkeys(value, MASK)
    if name.endswith("password"):
        return MASK if value else value
    return shown_url(value) if _is_url(name, value) else value


def _is_url(name: str, value: Any) -> bool:
    return isinstance(value, str) and (name == "url" or "://" in value)


def secrets(tree: BaseModel) -> Iterator[str]:
    """Every secret that stands in a settings tree, as it is used."""
    for name, value in tree:
        if isinstance(value, BaseModel):
            yield from secrets(value)
        elif name == "security":
            yield from (text for key, text in value.items() if key not in PUBLIC_SECURITY)
        elif name == "options":
            yield from value.values()
        elif name.endswith("password") and value:
            yield value
        elif _is_url(name, value):
            yield from _secrets_of_url(value)


def _secrets_of_url(url: str) -> Iterator[str]:
    _, colon, rest = url.partition("://")[2].partition(":")
    if colon and "@" in rest:
        password = rest.rpartition("@")[0]
        yield from (password, unquote(password))
    try:
        options = parse_qsl(urlsplit(url).query)
    except ValueError:  # brackets of no address
        return
    yield from (value for key, value in options if any(word in key for word in _SECRET_WORDS))


def _origin(path: str, origins: Mapping[str, str]) -> str:
    """A map's entries may come from several places: name them all."""
    found = [origin for key, origin in origins.items() if key == path or key.startswith(f"{path}.")]
    return ", ".join(dict.fromkeys(found)) or "default"
