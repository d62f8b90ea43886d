"""Who may see the page: a browser on this machine until there is a key, then whoever signs in with an admin key."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Literal

from stream_rec.api.access.book import KeyBook
from stream_rec.api.access.gate import is_local
from stream_rec.api.access.key import is_same, presented
from stream_rec.clock import Clock

COOKIE = "stream_rec_page"
MAX_SESSIONS = 1000
"""The one unused longest ends when there is one more."""
NO_TOKEN = ""
"""Of a browser on this machine, while there are no keys."""

Scope = MutableMapping[str, Any]
Verdict = Literal["in", "sign in", "other site", "not here"]


@dataclass(slots=True)
class _Session:
    key_id: str
    name: str
    used_at: float


class Access:
    """Sessions of browsers, in memory: they end with the server.

    Args:
        book: the keys.
        clock: ends sessions.
        seconds: `page.session_seconds`.
    """

    def __init__(self, book: KeyBook, clock: Clock, seconds: float) -> None:
        self._book = book
        self._clock = clock
        self._seconds = seconds
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    async def verdict(self, scope: Scope) -> Verdict:
        """What becomes of a request.

        Raises:
            Unavailable, ConfigError: Redis does not answer, or refuses us.
        """
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not is_own(headers):
            return "other site"
        if await self.holds(token_of(headers)):
            return "in"
        if not await self._book.is_empty():
            return "sign in"
        headers.pop(b"origin", None)
        return "in" if is_local(scope, headers) else "not here"

    async def sign_in(self, text: str) -> str | None:
        """A token for who has this key; None = it is no valid key, or none of the scope admin. Raises as `verdict`."""
        given = presented(text.strip())
        key = await self._book.find(given.key_id) if given else None
        if given is None or key is None or not is_same(given, key) or "admin" not in key.scopes:
            return None
        token = secrets.token_urlsafe(32)
        self._sessions[token] = _Session(key.key_id, key.name, self._clock.monotonic())
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return token

    async def holds(self, token: str) -> bool:
        """Is the session still good, and its key valid? Without a token: are there no keys? Raises as `verdict`."""
        if token == NO_TOKEN:
            return False
        session, now = self._sessions.get(token), self._clock.monotonic()
        if session is None:
            return False
        is_good = now - session.used_at <= self._seconds and await self._book.find(session.key_id) is not None
        if not is_good:
            self._sessions.pop(token, None)
            return False
        session.used_at = now
        if token in self._sessions:
            self._sessions.move_to_end(token)
        return True

    async def may_stay(self, token: str) -> bool:
        """As `holds`, for a page that is open: without a token, as long as there are no keys."""
        return await self._book.is_empty() if token == NO_TOKEN else await self.holds(token)

    def name(self, token: str) -> str:
        """Of the key that was signed in with; empty = there are no keys."""
        session = self._sessions.get(token)
        return session.name if session else ""

    def sign_out(self, token: str) -> None:
        """The session ends."""
        self._sessions.pop(token, None)


def is_own(headers: dict[bytes, bytes]) -> bool:
    """Does no page of another site send this? Browsers name the site in requests that could change something."""
    origin = headers.get(b"origin")
    if origin is None:
        return True
    return origin.partition(b"://")[2] == headers.get(b"host")


def token_of(headers: dict[bytes, bytes]) -> str:
    """In the cookie; empty = there is none."""
    try:
        cookies = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return NO_TOKEN
    found = cookies.get(COOKIE)
    return found.value if found else NO_TOKEN
