"""Redis: does it answer, take writes and scripts, and will it keep slates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import redis

from stream_rec.clock import SystemClock
from stream_rec.doctor.finding import Finding
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.settings import Settings, StoreSettings
from stream_rec.settings.masking import address
from stream_rec.store.connection import answering, connect_sync
from stream_rec.store.keys import Keys

OLDEST = (6, 2)
_GIB = 1 << 30


def examine(settings: Settings) -> Iterator[Finding]:
    """The configured Redis; without one, whether the embedded one starts.

    Raises:
        ConfigError: the URL is wrong, or Redis refuses our user.
        Unavailable: Redis does not answer.
    """
    if settings.store.url:
        yield from _look(settings.store)
        yield from _workers(settings.store)
        return
    with RedisServer.start() as server:
        yield Finding("ok", "store.url is empty; the embedded Redis starts")
        yield from _look(settings.store.model_copy(update={"url": server.url}))


def _look(store: StoreSettings) -> Iterator[Finding]:
    client, clock = connect_sync(store), SystemClock()
    try:
        with answering(store.url):
            client.ping()
            began = clock.monotonic()
            client.ping()
            milliseconds = (clock.monotonic() - began) * 1000
            info: dict[str, Any] = client.info()
            yield _version(info, f"{address(store.url)}, ping {milliseconds:.2f} ms")
            yield _memory(info)
            yield _scripts(client)
    finally:
        client.close()


def _version(info: dict[str, Any], where: str) -> Finding:
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        return Finding("fail", f"Redis {version} at {where}", "use Redis 6.2 or newer")
    return Finding("ok", f"Redis {version} at {where}")


def _memory(info: dict[str, Any]) -> Finding:
    used, limit, policy = (
        info["used_memory"],
        info.get("maxmemory", 0),
        info.get("maxmemory_policy", "noeviction"),
    )
    text = (
        f"{used / _GIB:.2f} GiB used of {f'{limit / _GIB:.2f} GiB' if limit else 'no limit'}, policy {policy}"
    )
    if limit and used > 0.9 * limit:
        return Finding("warn", text, "give Redis more memory, or shorten store.slate_ttl_seconds")
    if limit and policy.startswith("allkeys"):
        fix = "use volatile-ttl or volatile-lru: all our keys that may go have a time to live"
        return Finding("warn", text, fix)
    return Finding("ok", text)


def _scripts(client: redis.Redis) -> Finding:
    """Slates are written by a script, so scripts must be allowed."""
    try:
        client.evalsha(client.script_load("return 1"), 0)  # as the worker does: its rights need be no more
    except redis.exceptions.NoPermissionError as error:
        return Finding(
            "fail", f"our user may not run scripts: {error}", "allow EVALSHA and SCRIPT (docs/redis.md)"
        )
    return Finding("ok", "scripts run")


def reported_workers(store: StoreSettings) -> dict[str, float]:
    """Workers that have sent their figures lately, and when: seconds since the epoch.

    Raises:
        ConfigError: the URL is wrong, or Redis refuses our user.
        Unavailable: Redis does not answer.
    """
    with connect_sync(store) as client, answering(store.url):
        reported = client.zrange(Keys(store.prefix).workers, 0, -1, withscores=True)
    return {name.decode(errors="replace"): at for name, at in reported}


def _workers(store: StoreSettings) -> Iterator[Finding]:
    reported = reported_workers(store)
    if not reported:
        yield Finding("warn", "no worker has reported lately", "start one: `stream-rec worker`")
    now = SystemClock().now()
    for name, at in reported.items():
        yield Finding("ok", f"worker {name} reported {now - at:.0f} s ago")
