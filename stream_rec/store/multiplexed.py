"""Many readers' commands over one connection: each is sent at once, and replies come in the order of the commands.

redis-py opens the connection, with all that belongs to it (TLS, users, sentinels); then its transport is ours. A pool
with a connection for each reader at a time costs three times as much CPU.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

Word = str | bytes | int | float

_INCOMPLETE = object()
"""In place of a reply whose rest has not come yet."""


class _Asked(NamedTuple):
    """A pipeline whose replies are awaited.

    Attributes:
        n: how many.
        replies: takes them.
        deadline: of the last, by the loop's clock.
    """

    n: int
    replies: asyncio.Future[list[Any]]
    deadline: float


class Multiplexed:
    """One connection of a redis-py client, for everybody. For one event loop.

    Args:
        seconds: `store.timeout_seconds`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._opening = asyncio.Lock()
        self._client: Any = None
        self._link: _Link | None = None

    async def send(self, client: Any, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """As `connection.pipeline`, of this client.

        Raises:
            redis.ConnectionError, redis.TimeoutError: not all was answered.
        """
        link = self._link
        if link is None or link.is_closed or client is not self._client:
            async with self._opening:
                link = await self._opened(client)
        return await link.send(commands)

    def close(self) -> None:
        """Close the connection; who waits gets an error."""
        link, self._link, self._client = self._link, None, None
        if link is not None:
            link.close(RedisConnectionError("the connection was closed"))

    async def _opened(self, client: Any) -> _Link:
        if self._link is not None and not self._link.is_closed and client is self._client:
            return self._link
        old, is_same_client = self._link, client is self._client
        self.close()
        if old is not None and is_same_client:
            await old.give_back(client.connection_pool)
        connection = await client.connection_pool.get_connection()
        self._link, self._client = _Link(connection, self._seconds), client
        return self._link


class _Link(asyncio.Protocol):
    """A connection that is open."""

    def __init__(self, connection: Any, seconds: float) -> None:
        self._connection = connection  # redis-py closes it when nobody holds it
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport = connection._writer.transport
        self._asked: deque[_Asked] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._reader = hiredis.Reader(replyError=ResponseError, notEnoughData=_INCOMPLETE)
        self._found: list[Any] = []
        self.is_closed = False
        self._transport.set_protocol(self)

    def send(self, commands: Sequence[Sequence[Word]]) -> asyncio.Future[list[Any]]:
        """Send them; gives their replies."""
        replies: asyncio.Future[list[Any]] = self._loop.create_future()
        if self.is_closed:
            replies.set_exception(RedisConnectionError("the connection was closed"))
            return replies
        deadline = self._loop.time() + self._seconds
        self._asked.append(_Asked(len(commands), replies, deadline))
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._look)
        packed = [hiredis.pack_command(tuple(command)) for command in commands]  # type: ignore[arg-type]  # its stub knows words of one kind only
        self._transport.write(b"".join(packed))
        return replies

    def data_received(self, data: bytes) -> None:
        """More of the replies."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                self._take(reply)
        except (hiredis.ProtocolError, ValueError) as error:
            self.close(RedisConnectionError(f"Redis speaks something else: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes."""
        self.close(RedisConnectionError(str(exc) if exc else "Redis closed the connection"))

    def close(self, error: Exception) -> None:
        """End it; who waits gets the error."""
        self.is_closed = True
        self._transport.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._asked:
            replies = self._asked.popleft().replies
            if not replies.done():
                replies.set_exception(error)

    async def give_back(self, pool: Any) -> None:
        """Let the pool open the connection again: it counts those that it has given."""
        await self._connection.disconnect(nowait=True)
        await pool.release(self._connection)

    def _take(self, reply: Any) -> None:
        if not self._asked:
            raise ValueError("a reply to nothing")
        self._found.append(reply)
        if len(self._found) < self._asked[0].n:
            return
        found, self._found = self._found, []
        replies = self._asked.popleft().replies
        if not replies.done():  # whoever asked may have left
            replies.set_result(found)

    def _look(self) -> None:
        """Is the one that waits longest late? One timer does for all: their deadlines are in order."""
        self._timer = None
        if not self._asked:
            return
        deadline = self._asked[0].deadline
        if deadline <= self._loop.time():
            self.close(RedisTimeoutError(f"no reply within {self._seconds:g} s"))
        else:
            self._timer = self._loop.call_at(deadline, self._look)
