"""Redis: does it answer, take writes and scripts, and will it keep slates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from stream_rec.clock import SystemClock
from stream_rec.doctor.finding import Finding, attempted, start_a_worker
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.engine.learning.user_shares import ABSURD
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import Settings, StoreSettings
from stream_rec.settings.masking import address
from stream_rec.store.keys import Keys
from stream_rec.store.reader import Reader
from stream_rec.store.sync_connection import SyncConnection, connect_sync
from stream_rec.telemetry.points import field

OLDEST = (6, 2)
_GIB = 1 << 30


def examine(settings: Settings) -> Iterator[Finding]:
    """The configured Redis; without one, whether the embedded one starts.

    Raises:
        ConfigError: the URL is wrong, or Redis refuses our user.
        Unavailable: Redis does not answer.
    """
    if settings.store.url:
        found = list(attempted("redis", partial(_look, settings.store)))
        yield from found
        if found[0].status != "fail":  # else it would be said twice
            yield from attempted("redis", partial(_workers, settings))
            yield from attempted("redis", partial(_traffic, settings.store))
        return
    with RedisServer.start() as server:
        yield Finding(
            "warn",
            "store.url is empty: nothing of yours was looked at. The embedded Redis starts",
            "set store.url, or start servers to try it with",
            "stream-rec up --write",
        )
        yield from _look(settings.store.model_copy(update={"url": server.url}))


def _look(store: StoreSettings) -> Iterator[Finding]:
    with connect_sync(store) as connection:
        nowhere = Keys(store.prefix).marker(-1)
        where = f"{address(store.url)}, a GET takes {_get_ms(connection, nowhere):.2f} ms"
        infos = _infos(connection, nowhere)
        if not infos:
            yield Finding("ok", f"Redis at {where}")
            yield Finding(
                "warn",
                "INFO is not answered: a proxy, or a right that is missing. Version and memory are unknown",
                "look at maxmemory-policy yourself: noeviction or volatile-ttl; and at the version: 6.2 or newer",
            )
        for name, info in infos.items():
            yield _version(info, where if len(infos) == 1 else name)
            yield from _role(info, is_cluster=connection.is_cluster)
            yield _memory(info)
        yield _writes(connection, nowhere)


def _get_ms(connection: SyncConnection, key: str) -> float:
    """The second one: the first connects. No PING: a Redis that takes no writes for now refuses it."""
    clock = SystemClock()
    connection.execute("GET", key)
    began = clock.monotonic()
    connection.execute("GET", key)
    return (clock.monotonic() - began) * 1000


def _infos(connection: SyncConnection, key: str) -> Mapping[str, Mapping[str, Any]]:
    """Of each server; none where nobody may ask."""
    try:
        return connection.infos()
    except (ConfigError, RedisError):
        return {}
    except Unavailable:
        connection.execute("GET", key)  # it does answer: a proxy that hangs up at INFO
        return {}


def _version(info: Mapping[str, Any], where: str) -> Finding:
    """Valkey calls itself Redis 7.2.4 for those who ask for `redis_version`."""
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version", info.get("redis_version", "")))
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    if name == "Redis" and numbers and tuple(numbers) < OLDEST:
        return Finding("fail", f"Redis {version} at {where}", "use Redis 6.2 or newer")
    return Finding("ok", f"{name} {version or 'of unknown version'} at {where}")


def _role(info: Mapping[str, Any], *, is_cluster: bool) -> Iterator[Finding]:
    if info.get("role") == "slave":
        yield Finding(
            "fail",
            "it is a replica: readers may use it, a worker waits for ever",
            "name the primary, or the sentinels: redis+sentinel://HOST:PORT,HOST:PORT/PRIMARY/DB",
        )
    if info.get("cluster_enabled") and not is_cluster:
        yield Finding(
            "fail",
            "it is a node of a cluster, and store.url names one server",
            "write redis+cluster:// in store.url",
        )


def _memory(info: Mapping[str, Any]) -> Finding:
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    policy = str(info.get("maxmemory_policy", "unknown"))
    text = (
        f"{used / _GIB:.2f} GiB used of {f'{limit / _GIB:.2f} GiB' if limit else 'no limit'}, policy {policy}"
    )
    if limit and used > 0.9 * limit:
        what = f"{text}: soon slates are evicted or refused"
        return Finding("warn", what, "give Redis more memory, or shorten store.slate_ttl_seconds")
    if limit and policy.startswith("allkeys"):
        fix = "use volatile-ttl or volatile-lru: all our keys that may go have a time to live"
        return Finding("warn", f"{text}: slates and markers go at random, and are written again", fix)
    return Finding("ok", text)


def _writes(connection: SyncConnection, key: str) -> Finding:
    """Slates are written by a script, so a script must be allowed to write: here, to remove what is never there."""
    try:
        digest = connection.load_script("return redis.call('UNLINK', KEYS[1])")
        connection.execute("EVALSHA", digest, 1, key)
    except ConfigError as error:
        return Finding("fail", error.message, error.fix)
    except Unavailable as error:
        return Finding(
            "fail", f"it takes no writes now: {error.detail}", "see what Redis says: a worker waits for it"
        )
    except RedisError as error:
        return Finding(
            "fail", f"scripts do not run: {error}", "allow EVALSHA and SCRIPT LOAD (docs/redis.md)"
        )
    return Finding("ok", "scripts run, and write")


def reported_workers(store: StoreSettings) -> dict[str, float]:
    """Workers that have sent their figures lately, and when: seconds since the epoch.

    Raises:
        ConfigError: the URL is wrong, Redis refuses our user, or somebody put another type under the key.
        Unavailable: Redis does not answer.
    """
    workers = Keys(store.prefix).workers
    with connect_sync(store) as connection:
        (reported,) = connection.pipeline([("ZRANGE", workers, 0, -1, "WITHSCORES")])
    if isinstance(reported, Exception):
        raise ConfigError(
            f"{workers} cannot be read: {reported}", fix=f"redis-cli UNLINK {workers}"
        ) from reported
    pairs = zip(reported[::2], reported[1::2], strict=True)
    return {name.decode(errors="backslashreplace"): float(at) for name, at in pairs}


def _workers(settings: Settings) -> Iterator[Finding]:
    reported = reported_workers(settings.store)
    if not reported:
        yield Finding("warn", "no worker has reported lately: slates age", *start_a_worker(settings))
    now = SystemClock().now()
    for name, at in reported.items():
        yield Finding("ok", f"worker {name} reported {now - at:.0f} s ago")


def _traffic(store: StoreSettings) -> Iterator[Finding]:
    """What the worker that reported last has seen; all of them learn the same events."""
    reader = Reader(store)
    try:
        reported = reader.last_values().values()
    finally:
        reader.close()
    values = max(reported, key=lambda each: each.created_ts).values if reported else {}
    share = values.get(field("engine", {"stat": "loudest_user_share"}), 0.0)
    if share >= ABSURD:
        yield Finding(
            "warn",
            f"one user_id has {share:.0%} of the last events: all who share it are one user to the engine",
            "see the worker's log for the id; give every visitor an id of its own",
        )
    for stat, said, fix in _FORGOTTEN:
        if forgotten := int(values.get(field("engine", {"stat": stat}), 0)):
            yield Finding("warn", f"{forgotten:,} {said}", fix)


_FORGOTTEN = (
    (
        "evicted_hidden",
        "hidden items were forgotten: if they are clicked again, they may be shown",
        "raise engine.max_hidden",
    ),
    (
        "evicted_windows",
        "windows of availability were forgotten: such items neither open nor close any more",
        "raise engine.max_windows",
    ),
    (
        "catalogue_left_out",
        "texts or values of the catalogue had no room: filters do not see them",
        "raise engine.max_texts; an item holds 64 tags and values, all items together 32 names of attributes",
    ),
)
