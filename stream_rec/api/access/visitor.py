"""Tokens of visitors: who has a browser key, which is public, can speak of one visitor only.

A token is `<visitor, base64url>.<end, seconds since the epoch>.<HMAC-SHA256 of both, base64url>`.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

_LONGEST = 2048


def sign(visitor: str, until: int, secret: str) -> str:
    """A token for this visitor, good until then.

    Args:
        visitor: the user_id.
        until: seconds since the epoch.
        secret: of the browser key.
    """
    said = f"{_text(visitor.encode())}.{until}"
    return f"{said}.{_signature(said, secret)}"


def visitor_of(token: str, secret: str, now: float) -> str | None:
    """The visitor that a token is for; None = it is not ours, or its time is over."""
    if len(token) > _LONGEST or not token.isascii():
        return None
    said, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature, _signature(said, secret)):
        return None
    visitor, _, until = said.partition(".")
    return urlsafe_b64decode(visitor + "==").decode() if now < int(until) else None


def _signature(said: str, secret: str) -> str:
    return _text(hmac.digest(bytes.fromhex(secret), said.encode(), "sha256"))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
