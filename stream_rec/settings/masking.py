"""What may be shown of a secret: nothing. URLs lose their passwords, and what is logged loses every secret we know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "********"
SHORTEST = 4
"""A shorter secret would stand in half of all words, and is none."""

_PASSWORD = re.compile(r"^([\w+]+://[^:@/?]*):.*@", re.DOTALL)
"""Up to the last `@`: a password that was not percent-encoded may hold `/`, `#`, `?` and `@`."""
_USER = re.compile(r"^([\w+]+://).*@", re.DOTALL)
_secrets: list[str] = []


def shown_url(url: str) -> str:
    """The URL without its password, and without the query, where one may stand too."""
    head, _, query = _PASSWORD.sub(rf"\1:{MASK}@", url).partition("?")
    return f"{head}?{MASK}" if query else head


def address(url: str) -> str:
    """The URL without user, password and query, for logs and errors."""
    return _USER.sub(r"\1", url).partition("?")[0]


def hide(secrets: Iterable[str]) -> None:
    """From now on `hidden` masks these too, also as they stand in JSON, in a Python literal or in a URL."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            forms = (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe=""))
            _secrets.extend(form for form in dict.fromkeys(forms) if form not in _secrets)
    _secrets.sort(key=len, reverse=True)


def hidden(text: str) -> str:
    """The text with every secret masked that `hide` was told of: servers and libraries repeat what we sent."""
    for secret in _secrets:
        text = text.replace(secret, MASK)
    return text
