"""The one way to Redis: commands in pipelines, over one server, a primary that sentinels name, or a cluster.

Everything that redis-py raises becomes `Unavailable` (retry) or `ConfigError` (the operator must act). When the
fault may be that we talk to the wrong server, or to one that is gone, all connections are thrown away: a pool that is
kept would lead to an old primary for as long as it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from redis.exceptions import RedisError, ResponseError

from stream_rec import logs
from stream_rec.clock import Clock, SystemClock
from stream_rec.errors import ConfigError, StreamRecError, Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.settings.masking import address
from stream_rec.store.clients import Clients
from stream_rec.store.multiplexed import Multiplexed
from stream_rec.store.portion import Portion
from stream_rec.store.refusals import Elsewhere, TooSlow, understood
from stream_rec.store.writes import Writes

T = TypeVar("T")

Word = str | bytes | int | float
Command = Sequence[Word]
"""The words of a command: `("SET", key, json, "EX", 60)`."""

TRIES_OF_READERS = 2
"""A restart or a failover of Redis between two reads goes unseen."""
_PATIENCE = 4
"""Multiple of the longest pause between retries: a writer that is silent for longer has given up."""
_HANG_UPS = 3
"""A proxy may answer INFO by hanging up: so often in a row, before it ever was answered, and it is asked no more."""


def connect_readers(settings: StoreSettings) -> Connection:
    """For readers: everybody's commands share one connection (see `multiplexed`), but in a cluster.

    Raises:
        ConfigError: the URL is missing or wrong.
    """
    return Connection(settings, SystemClock(), TRIES_OF_READERS, Multiplexed(settings.timeout_seconds))


def connect(settings: StoreSettings, clock: Clock | None = None, *, tries: int = 1) -> Connection:
    """The asyncio connection. Connects at the first command.

    Args:
        settings: of the store.
        clock: for what a worker asks of its connection; None = the machine's.
        tries: attempts per command, each on new connections. A worker has its own retries (see `waiting`).

    Raises:
        ConfigError: the URL is missing or wrong.
    """
    return Connection(settings, clock or SystemClock(), tries)


class Connection:
    """Connections with asyncio. For one event loop; commands may run at once.

    Args:
        settings: of the store.
        clock: for `writes`.
        tries: attempts per command, each on new connections.
        multiplexed: sends all pipelines over one connection, except in a cluster; None = each has one from a pool.

    Attributes:
        clock: as given.
        writes: how long writes have been failing.
        portion: bound on the keys of one pipeline.
        keys_per_script: bound on the keys of one script call.

    Raises:
        ConfigError: the URL is missing or wrong.
    """

    def __init__(
        self, settings: StoreSettings, clock: Clock, tries: int = 1, multiplexed: Multiplexed | None = None
    ) -> None:
        self._tries = tries
        self._url = settings.url
        self._clients = Clients(settings)
        self._client: Any = None
        self._multiplexed = None if self._clients.is_cluster else multiplexed
        self._in_turn = asyncio.Lock() if self._clients.is_cluster else None
        self._info_hang_ups: int | None = 0
        self._tells_info = True
        self.clock = clock
        patience = _PATIENCE * (settings.timeout_seconds + settings.backoff_max_seconds)
        self.writes = Writes(clock, settings.unready_seconds, patience)
        self.portion = Portion(settings.pipeline_keys, settings.timeout_seconds)
        self.keys_per_script = 1 if self.is_cluster else settings.keys_per_script

    @property
    def is_cluster(self) -> bool:
        """Whether keys are spread over several servers."""
        return self._clients.is_cluster

    async def execute(self, *command: Word, writes: str = "") -> Any:
        """Run one command and return its reply.

        Args:
            command: its words.
            writes: kind of write, for `Connection.writes`; "" = a read.

        Raises:
            Unavailable: Redis does not answer, or refuses for a time.
            ConfigError: the operator must act.
            ResponseError: Redis refuses for another reason (WRONGTYPE, NOSCRIPT): the caller judges.
        """
        (answer,) = await self.pipeline([command], writes=writes)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def pipeline(self, commands: Sequence[Command], *, writes: str = "") -> list[Any]:
        """Commands in one round trip to each server. No transaction; in a cluster no order between servers.

        Returns:
            Answers in the order of the commands; a ResponseError where Redis refused for a reason that the caller must
            judge.

        Raises:
            Unavailable: Redis does not answer, or refuses one of them for a time; others may have run.
            ConfigError: the operator must act.
        """
        if not commands:
            return []
        try:
            send = self._multiplexed.send if self._multiplexed else _send
            answers: list[Any] = await self._with_client(lambda client: send(client, commands))
        except Unavailable:
            if writes:
                self.writes.failed(writes)
            raise
        if writes:
            self.writes.succeeded(writes)
        return answers

    async def run_ids(self) -> frozenset[str]:
        """Run ids of the servers that hold our keys; each restart changes them. Empty = not available.

        Raises:
            Unavailable: Redis does not answer.
        """
        return frozenset(str(info["run_id"]) for info in await self.infos("server") if info.get("run_id"))

    async def infos(self, section: str) -> Sequence[Mapping[str, Any]]:
        """A section of INFO of each server that holds our keys; none if not available.

        Raises:
            Unavailable: Redis does not answer.
        """
        if not self._tells_info:
            return ()
        try:
            told = await self._with_client(lambda client: self._ask(client, section))
        except ConfigError as error:
            if not isinstance(error.__cause__, ResponseError):
                raise
            self._tells_info = False  # our user may not run it, or a proxy does not support it
            return ()
        except ResponseError:
            self._tells_info = False
            return ()
        except Elsewhere as error:
            if self._info_hang_ups is None or isinstance(error, TooSlow):
                raise
            self._info_hang_ups += 1
            self._tells_info = self._info_hang_ups < _HANG_UPS
            raise
        self._info_hang_ups = None
        return told

    async def load_script(self, source: str) -> None:
        """SCRIPT LOAD on all servers that hold our keys.

        Raises:
            Unavailable, ConfigError, ResponseError: as `execute`.
        """
        await self._with_client(lambda client: client.execute_command("SCRIPT LOAD", source))

    def one_key_per_script(self) -> None:
        """There is a cluster behind a proxy: from now on every call of a script gets one key."""
        self.keys_per_script = 1
        logs.get("recommend").warning(
            "redis is a cluster behind a proxy: one key per script", redis=address(self._url)
        )

    async def drop(self) -> None:
        """Drop all connections; the next command resolves the address again and reconnects."""
        client, self._client = self._client, None
        if self._multiplexed is not None:
            self._multiplexed.close()
        await _close(client)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.drop()

    async def _ask(self, client: Any, section: str) -> Sequence[Mapping[str, Any]]:
        if not self.is_cluster:
            return (await client.execute_command("INFO", section),)
        told = await client.execute_command("INFO", section, target_nodes=client.PRIMARIES)
        return tuple(told.values()) if all(isinstance(one, dict) for one in told.values()) else (told,)

    async def _with_client(self, work: Callable[[Any], Awaitable[T]]) -> T:
        once = self._once if self._in_turn is None else self._once_in_turn
        for _ in range(self._tries - 1):
            try:
                return await once(work)
            except TooSlow:
                raise
            except Elsewhere:
                continue
        return await once(work)

    async def _once_in_turn(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """In a cluster one at a time: each node has one connection (see `clients`)."""
        assert self._in_turn is not None
        async with self._in_turn:
            return await self._once(work)

    async def _once(self, work: Callable[[Any], Awaitable[T]]) -> T:
        if self._client is None:
            self._client = self._clients.asynchronous()
        client = self._client
        try:
            answer = await work(client)
            raise_first(answer, self._meaning)
            return answer
        except Exception as error:
            meaning = self._meaning(error)
            if meaning is None or meaning is error:
                raise
            if isinstance(meaning, Elsewhere) and client is self._client:
                self._client = None
            raise meaning from error
        finally:
            if client is not self._client:
                await _close(client)

    def _meaning(self, error: BaseException) -> StreamRecError | None:
        return understood(error, self._url, is_cluster=self.is_cluster)


def raise_first(answer: object, meaning: Callable[[BaseException], object]) -> None:
    """Raise the first error among a pipeline's answers that the caller cannot judge."""
    for one in answer if isinstance(answer, list) else ():
        if isinstance(one, Exception) and (not isinstance(one, ResponseError) or meaning(one)):
            raise one


async def _send(client: Any, commands: Sequence[Command]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    return list(await pipeline.execute(raise_on_error=False))


async def _close(client: Any) -> None:
    """Close a client's connections; those in use are closed by whoever uses them, afterwards."""
    if client is None:
        return
    with suppress(RedisError, OSError):
        if hasattr(client, "connection_pool"):
            pool = client.connection_pool
            await pool.disconnect(inuse_connections=False)
            if hasattr(pool, "sentinel_manager"):
                await pool.sentinel_manager.aclose()
        else:
            await client.aclose()
