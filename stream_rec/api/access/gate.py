"""Who may call: nobody but this machine until there is a key, then who has one."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import lru_cache
from ipaddress import ip_address
from math import ceil
from typing import Any

from stream_rec.api.access.book import KeyBook
from stream_rec.api.access.key import Presented, is_same, presented
from stream_rec.api.access.limit import Limits
from stream_rec.api.access.visitor import visitor_of
from stream_rec.api.operation import Caller, Operation
from stream_rec.api.problem import Problem
from stream_rec.clock import Clock
from stream_rec.store.api_keys import ApiKey

_NOBODY = Caller("", "", may_publish=False)
_THIS_MACHINE = Caller("", "", may_publish=True)
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")
_LOCAL_NAMES = (b"localhost", b"127.0.0.1", b"[::1]")
_NO_KEY = ApiKey("", "", "0" * 64, (), 0.0)
"""Compared with what no key has, so that an unknown id takes as long as a wrong secret."""
_AUTHORIZATION = "header Authorization"
_MAX_ADDRESSES = 256
"""Of callers without a key that are remembered."""

Headers = dict[bytes, bytes]
Query = dict[str, str]


class Gate:
    """Admits callers.

    Args:
        book: the keys.
        clock: ends visitors' tokens, and fills what limits allow.
    """

    def __init__(self, book: KeyBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._limits = Limits(clock)

    async def admit(
        self, operation: Operation, scope: MutableMapping[str, Any], headers: Headers, query: Query
    ) -> Caller:
        """Who calls.

        Args:
            operation: what is asked for.
            scope: of ASGI.
            headers: of the request.
            query: of the request; `key` and `visitor` are taken out of it, if browsers may send them there.

        Raises:
            Problem: it may not.
            Unavailable, ConfigError: Redis does not answer, or refuses us.
        """
        if operation.scope is None:
            return _NOBODY
        text, token = _credentials(operation, headers, query)
        if not text:
            if not await self._book.is_empty():
                raise Problem("no-key", "no key was sent", where=_AUTHORIZATION, fix=_SEND)
            if not is_local(scope, headers):
                raise Problem("no-key", _ONLY_HERE, where=_AUTHORIZATION, fix=_CREATE)
            return _THIS_MACHINE
        key = await self._valid(presented(text))
        if key.per_second and (seconds := self._limits.take(key.key_id, key.per_second)):
            said = f"{key.per_second:g} requests a second are allowed"
            raise Problem(
                "rate", said, where=_AUTHORIZATION, fix="ask less often", retry_after_seconds=ceil(seconds)
            )
        if "browser" in key.scopes:
            return self._browser(operation, key, token)
        if operation.scope not in key.scopes and "admin" not in key.scopes:
            said = f"it needs the scope {operation.scope}, and the key has {', '.join(key.scopes)}"
            raise Problem("forbidden", said, where=_AUTHORIZATION, fix="use another key")
        return Caller(key.name, key.key_id, not {"publish", "admin"}.isdisjoint(key.scopes))

    async def _valid(self, given: Presented | None) -> ApiKey:
        key = await self._book.find(given.key_id) if given else None
        if given is None or not is_same(given, key or _NO_KEY) or key is None:
            raise Problem("no-key", "the key is not valid", where=_AUTHORIZATION, fix="`stream-rec key list`")
        return key

    def _browser(self, operation: Operation, key: ApiKey, token: str) -> Caller:
        if operation.browser == "new visitor":
            return Caller(key.name, key.key_id, may_publish=False, visitor="")
        if not operation.browser:
            raise Problem(
                "forbidden",
                "a browser key publishes its visitor's events and reads his recommendations, and nothing else",
                where=_AUTHORIZATION,
                fix="ask from a server, with another key",
            )
        visitor = visitor_of(token, key.visitor_secret, self._clock.now())
        if visitor is None:
            raise Problem(
                "forbidden",
                "no visitor token of this key was sent, or its time is over",
                where="header X-Visitor-Token",
                fix="POST /v1/visitors gives one",
            )
        return Caller(key.name, key.key_id, may_publish=True, visitor=visitor)


def _credentials(operation: Operation, headers: Headers, query: Query) -> tuple[str, str]:
    """The key and the visitor's token; `navigator.sendBeacon` can send no headers, so browsers may put them there."""
    scheme, _, text = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    token = headers.get(b"x-visitor-token", b"").decode("latin-1")
    if operation.browser:
        sent, visitor = query.pop("key", ""), query.pop("visitor", "")
        if not scheme:
            return sent, token or visitor
    if scheme and scheme.lower() != "bearer":
        raise Problem(
            "no-key",
            "only bearer keys are known",
            where=_AUTHORIZATION,
            fix=_SEND,
        )
    return text.strip(), token


def is_local(scope: MutableMapping[str, Any], headers: Headers) -> bool:
    """Does a program of this machine call, and no web page in a browser on it, and nobody behind a proxy on it?

    A page that a browser here has opened can call us too. It sends its origin, or, if its own host's name leads
    here (DNS rebinding), another Host than ours.
    """
    client = scope.get("client")
    if not client or any(name in headers for name in _FORWARDED) or b"origin" in headers:
        return False
    host = headers.get(b"host", b"localhost").rpartition(b":")
    name = host[0] if host[1] and host[2].isdigit() else b"".join(host)
    return name in _LOCAL_NAMES and _is_loopback(client[0])


@lru_cache(_MAX_ADDRESSES)
def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


_ONLY_HERE = "there are no keys yet, so only programs on the server's own machine are answered"
_SEND = "send `Authorization: Bearer KEY`"
_CREATE = "`stream-rec key create NAME`, and send it as `Authorization: Bearer KEY`"
