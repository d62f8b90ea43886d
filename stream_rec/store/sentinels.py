"""redis-py's sentinels, which tell an unmonitored name from a primary that is down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis.asyncio.sentinel
import redis.sentinel
from redis.exceptions import RedisError

from stream_rec.errors import ConfigError


class AsyncSentinel(redis.asyncio.sentinel.Sentinel):
    """With asyncio."""

    async def discover_master(self, service_name: str) -> Any:
        """Address of the primary.

        Raises:
            MasterNotFoundError: it is down, or no sentinel answers.
            ConfigError: sentinels answer, and none knows the name.
        """
        try:
            return await super().discover_master(service_name)
        except redis.asyncio.sentinel.MasterNotFoundError:
            watched: list[set[str]] = []
            for sentinel in self.sentinels:
                try:
                    watched.append({str(name) for name in await sentinel.sentinel_masters()})
                except RedisError:
                    continue
            _check(service_name, watched)
            raise


class SyncSentinel(redis.sentinel.Sentinel):
    """Without."""

    def discover_master(self, service_name: str) -> Any:
        """As `AsyncSentinel.discover_master`."""
        try:
            return super().discover_master(service_name)  # type: ignore[no-untyped-call]
        except redis.sentinel.MasterNotFoundError:
            watched: list[set[str]] = []
            for sentinel in self.sentinels:
                try:
                    watched.append({str(name) for name in sentinel.sentinel_masters()})
                except RedisError:
                    continue
            _check(service_name, watched)
            raise


def _check(name: str, watched: Sequence[set[str]]) -> None:
    known = {one for names in watched for one in names}
    if watched and name not in known:
        raise ConfigError(
            f"the sentinels know no primary called {name!r}",
            fix=f"store.url ends in /PRIMARY/DB; they monitor: {', '.join(sorted(known)) or 'nothing'}",
        )
