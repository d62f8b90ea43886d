"""One server for many tenants: whose a request is, its key says."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import Any

from stream_rec.api.access.asked_once import AskedOnce
from stream_rec.api.access.key import presented
from stream_rec.api.body import query_of
from stream_rec.api.problem import Problem
from stream_rec.clock import Clock
from stream_rec.errors import StreamRecError
from stream_rec.store.api_keys import owner_of
from stream_rec.store.reader import AsyncReader

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

_MAX_KNOWN = 4096
"""Ids of keys that are remembered, those of nobody among them."""


class Owners:
    """Whose keys are, asked of Redis in one round trip for all tenants.

    Args:
        reader: of Redis.
        prefixes: `store.prefix` of each tenant, by name.
        seconds: what was answered is good for so long.
        clock: ages it.
    """

    def __init__(
        self, reader: AsyncReader, prefixes: Mapping[str, str], seconds: float, clock: Clock
    ) -> None:
        self._reader = reader
        self._names = list(prefixes)
        self._prefixes = list(prefixes.values())
        self._seconds = seconds
        self._clock = clock
        self._known: OrderedDict[str, tuple[str | None, float]] = OrderedDict()
        self._asked: AskedOnce[int | None] = AskedOnce()

    async def of(self, key_id: str) -> str | None:
        """The tenant's name; None = it is none of theirs.

        Raises:
            Unavailable, ConfigError: Redis does not answer, or refuses us.
        """
        now = self._clock.monotonic()
        name, read_at = self._known.get(key_id, (None, float("-inf")))
        if now - read_at >= self._seconds:
            at = await self._asked.answer(key_id, partial(self._ask, key_id))
            name = None if at is None else self._names[at]
            self._known[key_id] = name, now
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        self._known.move_to_end(key_id)
        return name

    async def _ask(self, key_id: str) -> int | None:
        return await self._reader.answer(owner_of(self._prefixes, key_id))


class ByKey:
    """Hands every request to the application of the tenant whose key it brings, which admits it or does not.

    Args:
        own: of the settings' own tenant: also for what brings no key, or nobody's.
        tenants: the others, by name.
        owners: whose a key is.
    """

    def __init__(self, own: Application, tenants: Mapping[str, Application], owners: Owners) -> None:
        self._own = own
        self._tenants = tenants
        self._owners = owners

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer one request."""
        name = await self._tenant(scope) if scope["type"] == "http" else None
        await (self._own if name is None else self._tenants[name])(scope, receive, send)

    async def _tenant(self, scope: Scope) -> str | None:
        try:
            given = presented(_key(scope))
            return await self._owners.of(given.key_id) if given else None
        except (StreamRecError, Problem):
            return None  # what is wrong, our own application says


def _key(scope: Scope) -> str:
    """As it was sent: in a header, or where beacons have to put it."""
    header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    if not header:
        return query_of(scope["query_string"]).get("key", "")
    scheme, _, text = header.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""
