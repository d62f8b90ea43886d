"""The keys that are valid, read from Redis a few times a minute."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import NamedTuple

from stream_rec.api.access.asked_once import AskedOnce
from stream_rec.clock import Clock
from stream_rec.store.api_keys import ApiKey, ApiKeyQuestions
from stream_rec.store.reader import AsyncReader

_MAX_KNOWN = 4096
"""Ids that are remembered, unknown ones among them; the one asked for longest ago is forgotten."""


class _Page(NamedTuple):
    key: ApiKey | None
    read_at: float


class KeyBook:
    """Keys by id, each read again when it is older than `serve.key_seconds`, by one request for all that wait for it.

    Args:
        reader: of Redis.
        prefix: `store.prefix`.
        seconds: `serve.key_seconds`.
        clock: ages what was read.
    """

    def __init__(self, reader: AsyncReader, prefix: str, seconds: float, clock: Clock) -> None:
        self._reader = reader
        self._questions = ApiKeyQuestions(prefix)
        self._seconds = seconds
        self._clock = clock
        self._pages: OrderedDict[str, _Page] = OrderedDict()
        self._n_keys = 0
        self._counted_at = float("-inf")
        self._asked: AskedOnce[_Page] = AskedOnce()

    async def find(self, key_id: str) -> ApiKey | None:
        """The valid key of this id.

        Raises:
            Unavailable, ConfigError: Redis does not answer, or refuses us.
        """
        page = self._pages.get(key_id)
        if page is None or self._clock.monotonic() - page.read_at >= self._seconds:
            page = self._pages[key_id] = await self._read(key_id)
            if len(self._pages) > _MAX_KNOWN:
                self._pages.popitem(last=False)
        self._pages.move_to_end(key_id)
        return page.key

    async def is_empty(self) -> bool:
        """Is there no key at all? Raises as `find`."""
        if self._clock.monotonic() - self._counted_at >= self._seconds:
            await self._read("")
        return self._n_keys == 0

    async def _read(self, key_id: str) -> _Page:
        return await self._asked.answer(key_id, partial(self._ask, key_id))

    async def _ask(self, key_id: str) -> _Page:
        now = self._clock.monotonic()
        key, self._n_keys = await self._reader.answer(self._questions.one(key_id))
        self._counted_at = now
        return _Page(key, now)
