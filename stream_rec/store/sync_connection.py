"""The same way to Redis without asyncio, for readers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from redis.exceptions import RedisError

from stream_rec.errors import StreamRecError
from stream_rec.settings import StoreSettings
from stream_rec.settings.masking import address
from stream_rec.store.clients import Clients
from stream_rec.store.connection import TRIES_OF_READERS, Command, Word, raise_first
from stream_rec.store.refusals import Elsewhere, TooSlow, understood

T = TypeVar("T")


def connect_sync(settings: StoreSettings) -> SyncConnection:
    """For readers; thread-safe. Tries a command twice, but for one that was too slow.

    Raises:
        ConfigError: the URL is missing or wrong.
    """
    return SyncConnection(settings)


class SyncConnection:
    """A reader's connections. Thread-safe.

    Args:
        settings: of the store.

    Raises:
        ConfigError: the URL is missing or wrong.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._url = settings.url
        self._clients = Clients(settings)
        self._client: Any = None
        self._lock = threading.Lock()

    @property
    def is_cluster(self) -> bool:
        """Are keys spread over several servers."""
        return self._clients.is_cluster

    def execute(self, *command: Word) -> Any:
        """As `Connection.execute`."""
        (answer,) = self.pipeline([command])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """As `Connection.pipeline`."""
        return self._with_client(lambda client: _send_sync(client, commands)) if commands else []

    def load_script(self, source: str) -> str:
        """As `Connection.load_script`; the digest."""
        digest = self._with_client(lambda client: client.execute_command("SCRIPT LOAD", source))
        return digest.decode() if isinstance(digest, bytes) else str(digest)

    def infos(self) -> dict[str, Mapping[str, Any]]:
        """What INFO says of each server that holds our keys, by its address.

        Raises:
            Unavailable: Redis does not answer.
            ConfigError: our user may not ask.
        """

        def ask(client: Any) -> dict[str, Mapping[str, Any]]:
            if not self.is_cluster:
                return {address(self._url): client.info()}
            told = client.info(target_nodes=client.PRIMARIES)
            return {address(self._url): told} if "redis_version" in told else dict(told)

        return self._with_client(ask)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            client, self._client = self._client, None
        _close_sync(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _with_client(self, work: Callable[[Any], T]) -> T:
        for _ in range(TRIES_OF_READERS - 1):
            try:
                return self._once(work)
            except TooSlow:
                raise
            except Elsewhere:
                continue
        return self._once(work)

    def _once(self, work: Callable[[Any], T]) -> T:
        client = None
        try:
            client = self._opened()
            answer = work(client)
            raise_first(answer, self._meaning)
            return answer
        except Exception as error:
            meaning = self._meaning(error)
            if meaning is None or meaning is error:
                raise
            with self._lock:
                if isinstance(meaning, Elsewhere) and client is self._client:
                    self._client = None
            raise meaning from error
        finally:
            if client is not self._client:
                _close_sync(client)

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._clients.blocking()
            return self._client

    def _meaning(self, error: BaseException) -> StreamRecError | None:
        return understood(error, self._url, is_cluster=self.is_cluster)


def _send_sync(client: Any, commands: Sequence[Command]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    return list(pipeline.execute(raise_on_error=False))


def _close_sync(client: Any) -> None:
    if client is None:
        return
    with suppress(RedisError, OSError):
        if hasattr(client, "connection_pool"):
            pool = client.connection_pool
            pool.disconnect(inuse_connections=False)
            if hasattr(pool, "sentinel_manager"):
                for sentinel in pool.sentinel_manager.sentinels:
                    sentinel.close()
        else:
            client.close()
