"""Keys as their owners have them: `srk_<id>_<secret>`."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from stream_rec.errors import ConfigError
from stream_rec.store.api_keys import ApiKey

SCOPES = ("publish", "read", "admin", "browser")
VALID_AT_A_TIME = 2
"""Keys of one name: the old one works until all programs have the new one."""

_KEY = re.compile(r"srk_(?P<key_id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_SECRET_BYTES = 32


class Presented(NamedTuple):
    """A key as a request brings it.

    Attributes:
        key_id: the public part.
        secret_hash: of the secret part, as in `ApiKey`.
    """

    key_id: str
    secret_hash: str


def presented(text: str) -> Presented | None:
    """None = it cannot be a key."""
    found = _KEY.fullmatch(text)
    return Presented(found["key_id"], _hash(found["secret"])) if found else None


def is_same(given: Presented, key: ApiKey) -> bool:
    """Is it this key? Takes the same time whatever differs."""
    return hmac.compare_digest(given.secret_hash, key.secret_hash)


def new_key(
    name: str, scopes: Sequence[str], per_second: float, now: float, known: Sequence[ApiKey]
) -> tuple[ApiKey, str]:
    """A new key, as Redis has it and as its owner has it: the only time that it can be seen.

    Args:
        name: whose.
        scopes: what it allows.
        per_second: its limit; 0 = none.
        now: seconds since the epoch.
        known: all that are valid.

    Raises:
        ConfigError: the name or the scopes are wrong, or two of this name are valid already.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!a} is no name of a key", fix="1 to 64 letters, digits, '.', '_' and '-'")
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise ConfigError(f"no scope is called {unknown[0]!r}", fix=f"one of {', '.join(SCOPES)}")
    if "browser" in scopes and len(set(scopes)) > 1:
        raise ConfigError(
            "a browser key is public, so it allows nothing else",
            fix="make another key for programs on your servers",
        )
    valid = [key for key in known if key.name == name]
    if len(valid) >= VALID_AT_A_TIME:
        raise ConfigError(
            f"{len(valid)} keys of {name} are valid",
            fix=f"`stream-rec key revoke {valid[0].key_id}`, the oldest",
        )
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(_SECRET_BYTES)
    visitor_secret = ""
    if "browser" in scopes:  # visitors keep who they are when the key is rotated
        known_secrets = [key.visitor_secret for key in valid if key.visitor_secret]
        visitor_secret = known_secrets[0] if known_secrets else secrets.token_hex(_SECRET_BYTES)
    key = ApiKey(key_id, name, _hash(secret), tuple(dict.fromkeys(scopes)), now, per_second, visitor_secret)
    return key, f"srk_{key_id}_{secret}"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
